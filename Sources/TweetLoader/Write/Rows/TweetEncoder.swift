import Postgres
import TweetFormat

/// One tweet on its way from simdjson's tape into a row: which member becomes which column.
///
/// A member of another type than X documents becomes NULL; only `id` and `text` decide whether there is a row at all.
struct TweetEncoder {
    let id: Int64
    let tweet: Members<TweetMember, 29>
    private let text: JSONString
    /// The whole text of a post that is longer than `text` can be, with entities of its own.
    private let note: JSONNode?

    /// Throws a reject when `object`, the line's `data` or an included tweet, is no tweet.
    ///
    /// A tweet without text is none: X always sends one, and other objects with an id (users, lists, compliance jobs)
    /// would become empty rows.
    init(_ object: JSONNode) throws(LineReject) {
        guard object.isObject else { throw LineReject(.notATweet, "data is not an object") }
        tweet = Members(of: object)
        guard let idNode = tweet[.id] else { throw LineReject(.notATweet, "data.id is missing") }
        guard let id = idNode.id else {
            throw LineReject(.badID, "data.id is not a decimal number of 1 to 19 digits up to 9223372036854775807")
        }
        guard let text = tweet[.text] else { throw LineReject(.notATweet, "data.text is missing") }
        guard let text = text.string else { throw LineReject(.notATweet, "data.text is not a string") }
        self.id = id
        self.text = text
        note = tweet[.noteTweet] ?? tweet[.notePost]
    }

    /// The versions of the tweet, the oldest first.
    var editHistory: JSONNode? { tweet[.editHistoryTweetIDs] ?? tweet[.editHistoryPostIDs] }

    /// Whether `created_at` is there, but no moment; the column is NULL then, and the row flagged.
    var hasOddTime: Bool {
        guard let time = tweet[.createdAt], !time.isNull else { return false }
        return time.timestamp == nil
    }

    /// Appends the fields from `id` to `kafka_offset`, in the order of the table's columns.
    func append(to row: inout CopyBuffer, authors: [Int64: JSONString], record: RecordInfo) {
        appendIdentity(to: &row, authors)
        appendConversation(to: &row)
        appendEdits(to: &row)
        appendMetrics(to: &row)
        appendEntities(to: &row)
        appendAttachments(to: &row)
        appendGeo(to: &row)
        appendSettings(to: &row)
        appendArticle(to: &row)
        row.append(withheld: tweet[.withheld], hasCopyright: true)
        row.append(record)
    }

    /// context_domain_ids, context_entity_ids
    func appendContext(to row: inout CopyBuffer) {
        row.append(ids: "id", in: "domain", of: tweet[.contextAnnotations])
        row.append(ids: "id", in: "entity", of: tweet[.contextAnnotations])
    }

    /// id, created_at, author_id, author_username, text, long_text, lang
    private func appendIdentity(to row: inout CopyBuffer, _ authors: [Int64: JSONString]) {
        row.append(int8: id)
        row.append(timestamptz: tweet[.createdAt]?.timestamp)
        let author = tweet[.authorID]?.id
        row.append(int8: author)
        row.append(text: author.flatMap { authors[$0] })
        row.append(text: text)
        row.append(text: note?["text"]?.string)
        row.append(text: tweet[.lang]?.string)
    }

    /// conversation_id, in_reply_to_user_id, replied_to_id, quoted_id, retweeted_id
    private func appendConversation(to row: inout CopyBuffer) {
        row.append(int8: tweet[.conversationID]?.id)
        row.append(int8: tweet[.inReplyToUserID]?.id)
        var repliedTo: Int64?
        var quoted: Int64?
        var retweeted: Int64?
        if let references = tweet[.referencedTweets] ?? tweet[.referencedPosts] {
            for reference in references.elements {
                guard let type = reference["type"]?.string else { continue }
                let id = reference["id"]?.id
                if type == "replied_to" { repliedTo = id }
                if type == "quoted" { quoted = id }
                if type == "retweeted" || type == "reposted" { retweeted = id }
            }
        }
        row.append(int8: repliedTo)
        row.append(int8: quoted)
        row.append(int8: retweeted)
    }

    /// edit_ids, is_edit_eligible, editable_until, edits_remaining
    private func appendEdits(to row: inout CopyBuffer) {
        row.append(ids: editHistory)
        let controls = tweet[.editControls]
        row.append(bool: controls?["is_edit_eligible"]?.bool)
        row.append(timestamptz: controls?["editable_until"]?.timestamp)
        // Captures of 2022 have a string of digits here.
        row.append(int4: controls?["edits_remaining"]?.id)
    }

    /// retweet_count, reply_count, like_count, quote_count, bookmark_count, impression_count
    private func appendMetrics(to row: inout CopyBuffer) {
        let metrics = tweet[.publicMetrics]
        row.append(int8: (metrics?["retweet_count"] ?? metrics?["repost_count"])?.integer)
        row.append(int8: metrics?["reply_count"]?.integer)
        row.append(int8: metrics?["like_count"]?.integer)
        row.append(int8: metrics?["quote_count"]?.integer)
        row.append(int8: metrics?["bookmark_count"]?.integer)
        row.append(int8: metrics?["impression_count"]?.integer)
    }

    /// hashtags, cashtags, mentions, mention_ids, urls, expanded_urls
    private func appendEntities(to row: inout CopyBuffer) {
        let entities = TweetEntities(tweet[.entities], note: note?["entities"])
        entities.append("tag", of: "hashtags", known: "tag", to: &row)
        entities.append("tag", of: "cashtags", known: "tag", to: &row)
        entities.append("username", of: "mentions", known: "username", to: &row)
        entities.append(ids: "id", of: "mentions", known: "username", to: &row)
        entities.append("url", of: "urls", known: "url", to: &row)
        entities.append("expanded_url", of: "urls", known: "url", to: &row)
    }

    /// media_keys, poll_ids, media_source_tweet_ids
    private func appendAttachments(to row: inout CopyBuffer) {
        let attachments = tweet[.attachments]
        row.append(texts: attachments?["media_keys"])
        row.append(ids: attachments?["poll_ids"])
        row.append(ids: attachments?["media_source_tweet_id"] ?? attachments?["media_source_post_id"])
    }

    /// place_id, longitude, latitude
    private func appendGeo(to row: inout CopyBuffer) {
        let geo = tweet[.geo]
        row.append(text: geo?["place_id"]?.string)
        // GeoJSON (RFC 7946, section 3.1.1): longitude first.
        let point = geo?["coordinates"]?["coordinates"].pair
        let longitude = point?.0.double
        let latitude = point?.1.double
        row.append(float8: latitude == nil ? nil : longitude)
        row.append(float8: longitude == nil ? nil : latitude)
    }

    /// possibly_sensitive, reply_settings, source, community_id, card_uri, display_text_start, display_text_end,
    /// paid_partnership, scopes_followers
    private func appendSettings(to row: inout CopyBuffer) {
        row.append(bool: tweet[.possiblySensitive]?.bool)
        row.append(text: tweet[.replySettings]?.string)
        row.append(text: tweet[.source]?.string)
        row.append(int8: tweet[.communityID]?.id)
        row.append(text: tweet[.cardURI]?.string)
        let range = tweet[.displayTextRange].pair
        row.append(int4: range?.0.integer)
        row.append(int4: range?.1.integer)
        row.append(bool: tweet[.paidPartnership]?.bool)
        row.append(bool: tweet[.scopes]?["followers"]?.bool)
    }

    /// article_title, article_text
    private func appendArticle(to row: inout CopyBuffer) {
        let article = tweet[.article]
        row.append(text: (article?["title"] ?? article?["article_title"])?.string)
        row.append(text: article?["plain_text"]?.string)
    }
}

extension CopyBuffer {
    /// stream, journal, seq, received_at, connection, kafka_topic, kafka_partition, kafka_offset
    fileprivate mutating func append(_ record: RecordInfo) {
        if let headers = record.headers {
            append(text: headers.stream)
            append(text: headers.journal)
            append(int8: headers.seq)
            append(timestamptz: headers.receivedAt)
            append(int8: headers.connection == 0 ? nil : headers.connection)
        } else {
            for _ in 0..<5 { appendNull() }
        }
        append(text: record.topicPartition.topic)
        append(int4: record.topicPartition.partition)
        append(int8: record.offset)
    }

    /// withheld_copyright where it is asked for, withheld_countries, withheld_scope
    mutating func append(withheld: JSONNode?, hasCopyright: Bool) {
        if hasCopyright { append(bool: withheld?["copyright"]?.bool) }
        append(texts: withheld?["country_codes"])
        let scope = withheld?["scope"]?.string
        if let scope, scope == "post" { append(text: "tweet") } else { append(text: scope) }
    }
}
