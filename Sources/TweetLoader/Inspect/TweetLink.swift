/// A tweet as people name it: by its id or by a link to it.
enum TweetLink {
    private static let hosts: Set<Substring> = ["x.com", "twitter.com"]

    /// The id in a text: digits, or a link of X such as `https://x.com/user/status/1866459871234567890?s=20`.
    ///
    /// - Returns: nil when it is neither.
    static func id(in text: String) -> Int64? {
        if let id = number(text[...]) { return id }
        var rest = text[...]
        for scheme in ["https://", "http://"] where rest.lowercased().hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
        }
        let path = rest.prefix { $0 != "?" && $0 != "#" }
        var parts = path.split(separator: "/")[...]
        guard let host = parts.popFirst(), hosts.contains(site(host.lowercased()[...])) else { return nil }
        guard let marker = parts.firstIndex(where: { ["status", "statuses"].contains($0) }), marker > parts.startIndex
        else { return nil }
        return parts[(marker + 1)...].first.flatMap { number($0) }
    }

    /// The host without what X puts in front of it.
    private static func site(_ host: Substring) -> Substring {
        for prefix in ["www.", "mobile.", "m."] where host.hasPrefix(prefix) { return host.dropFirst(prefix.count) }
        return host
    }

    private static func number(_ text: Substring) -> Int64? {
        guard (1...19).contains(text.count), text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int64(text)
    }
}
