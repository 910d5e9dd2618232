import Core
import Glibc

/// Whom libcurl connects to.
extension Proxies {
    /// The server that a transfer connects to: that of its URL, or a proxy of the environment.
    package struct Peer: Sendable, Equatable {
        package let server: TCPServer
        package let isProxy: Bool
    }

    /// Chooses as libcurl does (libcurl, "Environment variables"; url.c, detect_proxy; noproxy.c).
    ///
    /// - Parameters:
    ///   - url: with http or https.
    ///   - environment: of the process.
    /// - Returns: nil when the URL or the proxy is no address.
    package static func peer(of url: String, _ environment: [String: String]) -> Peer? {
        guard let target = parse(url) else { return nil }
        let port = target.port ?? (target.scheme == "https" ? 443 : 80)
        let direct = Peer(server: TCPServer(host: target.host, port: port), isProxy: false)
        func value(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        // HTTP_PROXY is what a CGI gets from a header `Proxy`, so libcurl does not look at it.
        let own = target.scheme == "https" ? value("https_proxy", "HTTPS_PROXY") : value("http_proxy")
        guard let proxy = own ?? value("all_proxy", "ALL_PROXY"),
            !isExempt(target.host, value("no_proxy", "NO_PROXY") ?? "")
        else { return direct }
        guard let place = parse(proxy) else { return nil }
        let usual = place.scheme == "https" ? 443 : 1080
        return Peer(server: TCPServer(host: place.host, port: place.port ?? usual), isProxy: true)
    }

    private static func parse(_ url: String) -> (scheme: String, host: String, port: Int?)? {
        let mark = url.firstRange(of: "://")
        let authority = url[(mark?.upperBound ?? url.startIndex)...].prefix { !"/?#".contains($0) }
        let place = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        guard let address = ServerAddress(place, needsPort: false) else { return nil }
        let scheme = mark.map { url[..<$0.lowerBound].lowercased() } ?? "http"
        return (scheme, address.bareHost, address.port.map { Int($0) })
    }

    /// Whether a host is one of those of `no_proxy`: names with all names below them, addresses, and networks (CIDR).
    private static func isExempt(_ host: String, _ list: String) -> Bool {
        if list == "*" { return true }
        let address = Self.bytes(of: host)
        return list.split { ", \t".contains($0) }.contains { entry in
            if let address { return isIn(address, network: entry) }
            let name = host.lowercased().trimming(".")
            let domain = entry.lowercased().trimming(".")
            return !domain.isEmpty && (name == domain || name.hasSuffix("." + domain))
        }
    }

    private static func isIn(_ address: [UInt8], network entry: Substring) -> Bool {
        let parts = entry.split(separator: "/", maxSplits: 1)
        var text = parts.first ?? ""
        if text.hasPrefix("[") { text = text.dropFirst().dropLast() }
        guard let network = bytes(of: String(text)), network.count == address.count else { return false }
        let all = address.count * 8
        var bits = all
        if parts.count > 1, let given = Int(parts[1]) { bits = min(given, all) }
        for bit in 0..<max(0, bits) {
            let mask: UInt8 = 0x80 >> UInt8(bit % 8)
            guard address[bit / 8] & mask == network[bit / 8] & mask else { return false }
        }
        return true
    }

    /// The bytes of an address of IPv4 or IPv6; nil for a name.
    private static func bytes(of host: String) -> [UInt8]? {
        for (family, size) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: size)
            if unsafe inet_pton(family, host, &bytes) == 1 { return bytes }
        }
        return nil
    }
}

extension String {
    /// Without one dot at its beginning and one at its end.
    fileprivate func trimming(_ dot: String) -> String {
        let rest = hasPrefix(dot) ? dropFirst() : self[...]
        return String(rest.hasSuffix(dot) ? rest.dropLast() : rest)
    }
}
