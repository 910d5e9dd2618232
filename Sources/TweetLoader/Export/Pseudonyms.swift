import Core
import Digests
import TweetFormat

/// Names for users that stay the same within one export, and lead back to nobody.
///
/// A pseudonym is the beginning of the SHA-256 of a random key and the user's id. The key exists only in memory, so that
/// nobody can compute the pseudonym of a known user; two exports have different pseudonyms.
struct Pseudonyms {
    private let redaction: Redaction
    private let key: [UInt8]
    private var known: [String: String] = [:]
    /// The ids of the users of the current line, by handle in lower case.
    private var ids: [String: Int64] = [:]

    init(_ redaction: Redaction) {
        self.redaction = redaction
        var random = SystemRandomNumberGenerator()
        key = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// Learns which ids the handles of a line belong to.
    mutating func begin(_ tweet: FlatTweet) {
        ids.removeAll(keepingCapacity: true)
        guard redaction == .pseudonyms else { return }
        for user in tweet.users { learn(user) }
        for holder in [tweet.tweet, tweet.original] {
            for mention in (holder?["entities"]?["mentions"]).elements { learn(mention) }
        }
    }

    private mutating func learn(_ user: JSONNode) {
        if let handle = user["username"]?.string, let id = user["id"]?.id { ids[handle.text.lowercased()] = id }
    }

    /// What stands for a user's id; nil when it is left out.
    mutating func name(of id: Int64) -> String? {
        redaction == .remove ? nil : pseudonym("\(id)")
    }

    /// What stands for a handle: the same as for the user's id, where the line has it; nil when it is left out.
    mutating func name(of handle: some StringProtocol) -> String? {
        let handle = handle.lowercased()
        return redaction == .remove ? nil : pseudonym(ids[handle].map { "\($0)" } ?? "@\(handle)")
    }

    private mutating func pseudonym(_ user: String) -> String {
        if let name = known[user] { return name }
        if known.count >= 500_000 { known.removeAll() }
        var digest = RunningDigest()
        unsafe key.withUnsafeBytes { unsafe digest.add($0) }
        unsafe Array(user.utf8).withUnsafeBytes { unsafe digest.add($0) }
        let name = "u" + digest.result.sha256.prefix(16)
        known[user] = name
        return name
    }

    /// A text in which the handles of mentions, and those in addresses of X, are replaced.
    ///
    /// - Parameter text: UTF-8.
    /// - Returns: the same text, with pseudonyms or `user` in place of handles.
    mutating func redacted(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let prefix = Self.handlePrefix(text, index)
            let handle = text[(index + prefix)...].prefix(while: \.isHandleByte)
            result += text[index..<index + max(prefix, 1)]
            guard prefix > 0, !handle.isEmpty else {
                index += max(prefix, 1)
                continue
            }
            let name = String(decoding: handle, as: UTF8.self)
            let isReserved = Self.reserved.contains(name.lowercased()) && text[index] != UInt8(ascii: "@")
            result += Array((isReserved ? name : self.name(of: name) ?? "user").utf8)
            index += prefix + handle.count
        }
        return result
    }

    /// The number of bytes at a place that announce a handle: `@`, `＠` or the host of an address of X; 0 when none do.
    private static func handlePrefix(_ text: [UInt8], _ index: Int) -> Int {
        let byte = text[index]
        guard
            byte == UInt8(ascii: "@") || byte == 0xEF || byte | 0x20 == UInt8(ascii: "x")
                || byte | 0x20 == UInt8(ascii: "t")
        else { return 0 }
        for prefix in prefixes where text[index...].count >= prefix.count {
            let isFound = zip(text[index...], prefix).allSatisfy { $0 == $1 || $0 | 0x20 == $1 && $1 > 0x60 }
            // `netflix.com/` ends like the host of X.
            let isHost = prefix.last == UInt8(ascii: "/") && index > 0 && text[index - 1].isHostByte
            if isFound, !isHost { return prefix.count }
        }
        return 0
    }

    private static let prefixes = ["@", "＠", "x.com/", "twitter.com/"].map { Array($0.utf8) }
    /// First parts of paths of X that are no handles.
    private static let reserved: Set = ["i", "hashtag", "search", "intent", "share", "home", "explore"]
}

extension UInt8 {
    /// Whether a handle of X can have it.
    fileprivate var isHandleByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Whether it is part of a label of a host name.
    fileprivate var isHostByte: Bool { isHandleByte || self == UInt8(ascii: "-") }
}
