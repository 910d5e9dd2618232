import Glibc

/// The members of a tweet object that become columns, found in one walk over it.
struct TweetMembers {
    /// The names of X's data dictionary, and those of its newer vocabulary, which says "post".
    enum Name: String, CaseIterable {
        case id, text, lang, source, attachments, entities, geo, withheld, article, scopes
        case authorID = "author_id"
        case cardURI = "card_uri"
        case communityID = "community_id"
        case conversationID = "conversation_id"
        case createdAt = "created_at"
        case displayTextRange = "display_text_range"
        case editControls = "edit_controls"
        case editHistoryPostIDs = "edit_history_post_ids"
        case editHistoryTweetIDs = "edit_history_tweet_ids"
        case inReplyToUserID = "in_reply_to_user_id"
        case notePost = "note_post"
        case noteTweet = "note_tweet"
        case paidPartnership = "paid_partnership"
        case possiblySensitive = "possibly_sensitive"
        case publicMetrics = "public_metrics"
        case referencedPosts = "referenced_posts"
        case referencedTweets = "referenced_tweets"
        case replySettings = "reply_settings"

        var place: Int { Int(unsafe unsafeBitCast(self, to: UInt8.self)) }
    }

    private static let names = NameTable(Name.allCases.map(\.rawValue))

    private let tweet: JSONNode
    /// For each name the member's place on the tape; 0: absent.
    private var places = InlineArray<28, Int>(repeating: 0)

    init(of tweet: JSONNode) {
        self.tweet = tweet
        let names = Self.names
        // A name that comes twice counts with its last value, as in PostgreSQL's jsonb.
        for member in tweet.members {
            if let place = names.index(of: member.name) { places[place] = member.value.index }
        }
    }

    /// The member of that name; nil when absent or null, which mean the same in X's objects.
    subscript(name: Name) -> JSONNode? {
        let place = places[name.place]
        guard place != 0 else { return nil }
        let node = tweet.node(at: place)
        return node.isNull ? nil : node
    }
}

/// Finds a name among a fixed set: open addressing over a table that is four times too large for the set.
private struct NameTable {
    private var slots: [UInt8]
    private var names: [UInt8] = []
    private var starts: [Int] = [0]

    /// Holds at most 64 names.
    init(_ names: [String]) {
        slots = [UInt8](repeating: .max, count: 256)
        for (index, name) in names.enumerated() {
            let bytes = Array(name.utf8)
            self.names += bytes
            starts.append(self.names.count)
            var slot = Self.slot(count: bytes.count, first: bytes[0], last: bytes[bytes.count - 1])
            while slots[slot] != .max { slot = (slot + 1) & 255 }
            slots[slot] = UInt8(index)
        }
    }

    /// The place of the name in the set.
    func index(of name: JSONString) -> Int? {
        guard name.count > 0 else { return nil }
        var slot = Self.slot(count: name.count, first: name[0], last: name[name.count - 1])
        while slots[slot] != .max {
            let index = Int(slots[slot])
            if equals(name, starts[index]..<starts[index + 1]) { return index }
            slot = (slot + 1) & 255
        }
        return nil
    }

    private func equals(_ name: JSONString, _ range: Range<Int>) -> Bool {
        guard name.count == range.count else { return false }
        return unsafe names.withUnsafeBytes { buffer in
            unsafe memcmp(buffer.baseAddress! + range.lowerBound, name.bytes.baseAddress!, range.count) == 0
        }
    }

    private static func slot(count: Int, first: UInt8, last: UInt8) -> Int {
        (count &* 37 &+ Int(first) &* 11 &+ Int(last) &* 3) & 255
    }
}
