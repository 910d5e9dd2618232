import Synchronization

/// Cuts credentials out of texts that libraries wrote.
///
/// libcurl, libpq and librdkafka quote their input in errors, and that input holds passwords. Every such text passes through
/// `clean` where it enters the project: in `CurlError`, `PostgresError`, `PostgresConninfo`, `KafkaError` and the callbacks
/// of `KafkaHandle`.
package enum Redaction {
    /// What stands in place of a credential.
    package static let mask = "***"

    /// Shorter secrets would cut ordinary words out of texts.
    package static let shortestSecret = 4
    /// Tokens are renewed; the oldest are forgotten beyond this.
    private static let mostSecrets = 256

    private static let secrets = Mutex<[String]>([])

    /// Remembers a secret, in every form a library may quote it in, so that `clean` removes it literally.
    package static func remember(_ secret: String) {
        let forms = Set([secret, percentDecoded(secret)]).filter { $0.utf8.count >= shortestSecret }
        guard !forms.isEmpty else { return }
        secrets.withLock { known in
            known.removeAll { forms.contains($0) }
            known += forms
            if known.count > mostSecrets { known.removeFirst(known.count - mostSecrets) }
        }
    }

    /// The text without known secrets, user info of URLs, and values of anything called a password.
    package static func clean(_ text: String) -> String {
        withoutPasswords(withoutUserInfo(withoutSecrets(text)))
    }

    /// The same for what a server says in the body of an answer, where `@` stands before names, too: user info is looked for
    /// only behind `//`.
    package static func cleanBody(_ text: String) -> String {
        let known = withoutSecrets(text)
        return withoutPasswords(known.firstRange(of: "//") == nil ? known : withoutUserInfo(known))
    }

    /// The text without known secrets, and nothing else changed: for texts whose form must stay, such as JSON.
    ///
    /// - Parameters:
    ///   - text: what may hold secrets.
    ///   - shortest: shorter secrets stay, as they may be ordinary words.
    /// - Returns: the text with `mask` for each secret.
    package static func withoutSecrets(_ text: String, shortest: Int = shortestSecret) -> String {
        var result = text
        let known = secrets.withLock { $0 }.filter { $0.utf8.count >= shortest }
            .sorted { $0.utf8.count > $1.utf8.count }
        for secret in known where result.utf8.count >= secret.utf8.count {
            result = result.replacing(secret, with: mask)
        }
        return result
    }

    /// Everything from the first `//` to the last `@` goes, because a password may hold any character; without `//`, every
    /// word up to its last `@`.
    private static func withoutUserInfo(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "@")) else { return text }
        if let start = text.firstRange(of: "//"), let last = text.lastIndex(of: "@"), start.upperBound <= last {
            return withoutUserInfo(ofWords: text[..<start.lowerBound]) + "//" + mask + text[last...]
        }
        return withoutUserInfo(ofWords: text[...])
    }

    private static func withoutUserInfo(ofWords text: Substring) -> String {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map { word -> String in
            guard let last = word.lastIndex(of: "@") else { return String(word) }
            let quotes = word.prefix { "'\"(".contains($0) }
            return quotes + mask + word[last...]
        }
        return words.joined(separator: " ")
    }

    /// Masks what follows `password=`, `secret=` and `token=` (connection strings, properties), up to the end of the value.
    private static func withoutPasswords(_ text: String) -> String {
        let name = /(?i)(password|passwd|secret|token) *= */
        var result = ""
        var rest = text[...]
        while let found = rest.firstRange(of: name) {
            let value = rest[found.upperBound...]
            result += rest[..<found.upperBound] + mask
            rest = value[endOfValue(value)...]
        }
        return result + rest
    }

    private static func endOfValue(_ value: Substring) -> Substring.Index {
        guard let quote = value.first, quote == "'" || quote == "\"" else {
            return value.firstIndex { $0.isWhitespace || $0 == "&" || $0 == "\"" } ?? value.endIndex
        }
        return value.dropFirst().firstIndex(of: quote).map(value.index(after:)) ?? value.endIndex
    }

    /// The text with `%41` read as `A`; invalid escapes stay as they are.
    private static func percentDecoded(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let byte = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
            {
                result.append(byte)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
