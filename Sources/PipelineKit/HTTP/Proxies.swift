import Core

/// The proxies of the environment, which libcurl uses for X and S3 (libcurl, "Environment variables").
package enum Proxies {
    package static let variables = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]

    /// What is wrong with them, one text each, without any of their values; their user info is remembered as a secret.
    ///
    /// libcurl would report an invalid one as a failure of the network, with the password in its text.
    package static func mistakes(_ environment: [String: String]) -> [String] {
        variables.compactMap { name in
            guard let value = environment[name], !value.isEmpty else { return nil }
            return mistake(value).map { "environment \(name): \($0)" }
        }
    }

    /// What is wrong with a proxy; nil when nothing is. Its user info is remembered as a secret.
    package static func mistake(_ value: String) -> String? {
        var rest = value[...]
        if let mark = value.firstRange(of: "://") {
            let scheme = value[..<mark.lowerBound].lowercased()
            guard ["http", "https", "socks4", "socks4a", "socks5", "socks5h"].contains(scheme) else {
                remember(value[mark.upperBound...])
                return "a proxy's scheme must be http, https, socks4, socks4a, socks5 or socks5h"
            }
            rest = value[mark.upperBound...]
        }
        remember(rest)
        if let at = rest.lastIndex(of: "@") {
            if let mistake = userInfoMistake(rest[..<at]) { return mistake }
            rest = rest[rest.index(after: at)...]
        }
        if rest.hasSuffix("/") { rest.removeLast() }
        return isServer(rest) ? nil : "not an address such as http://proxy.example:3128"
    }

    /// User and password, and the password alone.
    private static func remember(_ rest: Substring) {
        guard let at = rest.lastIndex(of: "@") else { return }
        let userInfo = rest[..<at]
        Redaction.remember(String(userInfo))
        if let colon = userInfo.firstIndex(of: ":") {
            Redaction.remember(String(userInfo[userInfo.index(after: colon)...]))
        }
    }

    private static func userInfoMistake(_ text: Substring) -> String? {
        let escapes: [Character: String] = ["@": "%40", "/": "%2F", "?": "%3F", "#": "%23", " ": "%20", "\\": "%5C"]
        var wrong = text.filter { escapes[$0] != nil }.reduce(into: [Character]()) {
            if !$0.contains($1) { $0.append($1) }
        }
        wrong.sort()
        if !wrong.isEmpty {
            let list = wrong.map { "\($0 == " " ? "a space" : String($0)) as \(escapes[$0] ?? "")" }
            return "write \(list.joined(separator: ", ")) in user and password"
        }
        if text.unicodeScalars.contains(where: {
            $0.value <= 0x20 || $0.value >= 0x7f || "\"<>^`{|}".unicodeScalars.contains($0)
        }) {
            return
                "write quotation marks and characters outside ASCII in user and password as %XX, one for each byte of UTF-8"
        }
        let parts = text.split(separator: "%", omittingEmptySubsequences: false).dropFirst()
        let areEscapes = parts.allSatisfy { $0.prefix(2).count == 2 && $0.prefix(2).allSatisfy(\.isHexDigit) }
        return areEscapes ? nil : "write % as %25 in user and password"
    }

    private static func isServer(_ text: Substring) -> Bool {
        ServerAddress(text, needsPort: false) != nil
    }
}
