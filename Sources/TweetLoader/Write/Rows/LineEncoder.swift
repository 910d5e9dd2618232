import Core
import Postgres
import TweetFormat

/// One line on its way into the rows of all relations.
struct LineEncoder {
    let id: Int64
    private let tweet: TweetEncoder
    private let line: Members<LineMember, 5>
    private let includes: Members<IncludesMember, 6>
    private let record: RecordInfo
    private let seen: Sighting
    /// Handles of the users that the line includes.
    private let authors: [Int64: JSONString]

    /// Throws a reject when `data` is no tweet.
    init(
        _ line: Members<LineMember, 5>, data: JSONNode, record: RecordInfo, isAltered: Bool
    ) throws(LineReject) {
        tweet = try TweetEncoder(data)
        id = tweet.id
        self.line = line
        self.record = record
        includes = Members(of: line[.includes] ?? data.node(at: 0))
        // A message that is not ours does not say when it was received; it was not before the tweet was made.
        let receivedAt = record.headers?.receivedAt ?? Snowflake.timestamp(of: id) ?? Timestamp(milliseconds: 0)
        seen = Sighting(tweet: id, at: receivedAt, isAltered: isAltered)
        var authors: [Int64: JSONString] = [:]
        for user in includes[.users].elements {
            if let id = user["id"]?.id, authors[id] == nil { authors[id] = user["username"]?.string }
        }
        self.authors = authors
    }

    /// Whether the line's own tweet says in no readable way when it was made.
    var hasOddTime: Bool { tweet.hasOddTime }

    /// The row of the line's own tweet; `payload` writes `text_altered`, `payload` and `payload_raw`.
    func appendTweet(to rows: inout RelationRows, payload: (inout CopyBuffer) -> Void) {
        rows.append(to: .tweets, key: id) { row in
            tweet.append(to: &row, authors: authors, record: record)
            payload(&row)
            row.append(bool: true)
            row.appendNull()
            tweet.appendContext(to: &row)
        }
    }

    /// The rows of everything else.
    func appendOthers(to rows: inout RelationRows) {
        appendRules(to: &rows)
        appendEntry(to: &rows)
        appendVersions(of: tweet, to: &rows)
        appendErrors(to: &rows)
        let included = appendIncludedTweets(to: &rows)
        noteAttachments(of: included, in: &rows)
        let others = IncludesEncoder(seen: seen)
        for user in includes[.users].elements { others.appendUser(user, to: &rows) }
        for medium in includes[.media].elements { others.appendMedium(medium, to: &rows) }
        for poll in includes[.polls].elements { others.appendPoll(poll, to: &rows) }
        for place in includes[.places].elements { others.appendPlace(place, to: &rows) }
        others.appendContext(tweet.tweet[.contextAnnotations], to: &rows)
        for tweet in included { others.appendContext(tweet.tweet[.contextAnnotations], to: &rows) }
    }

    /// Rows of `tweet_rules`; a rule without an id is only in the payload. A line without `matching_rules`, such as one of a
    /// sample, was matched by its stream: number 0, which no rule at X has. A timeline's line was matched by nothing.
    private func appendRules(to rows: inout RelationRows) {
        guard let rules = line[.matchingRules] else {
            if record.headers != nil, line[.timeline] == nil { appendRule(0, tag: nil, to: &rows) }
            return
        }
        for rule in rules.elements {
            if let ruleID = rule["id"]?.id { appendRule(ruleID, tag: rule["tag"]?.string, to: &rows) }
        }
    }

    /// The row of `timeline_entries` of a line from a timeline.
    private func appendEntry(to rows: inout RelationRows) {
        guard let timeline = line[.timeline], let account = timeline["user_id"]?.id, let kind = timeline["kind"]?.string
        else { return }
        let fetched = timeline["fetched_at"]?.string.flatMap { unsafe Timestamp(rfc3339: $0.bytes) }
        rows.append(to: .timelineEntries, key: id, detail: account) { row in
            row.append(int8: account)
            row.append(text: kind)
            row.append(int8: id)
            row.append(timestamptz: fetched ?? seen.at)
        }
    }

    private func appendRule(_ ruleID: Int64, tag: JSONString?, to rows: inout RelationRows) {
        rows.append(to: .tweetRules, key: id, detail: ruleID) { row in
            row.append(int8: id)
            row.append(int8: ruleID)
            row.append(text: record.headers?.stream ?? "")
            row.append(text: tag)
            row.append(timestamptz: record.headers?.receivedAt)
        }
    }

    /// Rows of `tweet_versions`, for a tweet that was edited.
    private func appendVersions(of tweet: TweetEncoder, to rows: inout RelationRows) {
        guard let history = tweet.editHistory, let first = history.elements.first?.id else { return }
        var versions = history.elements
        _ = versions.next()
        guard versions.next() != nil else { return }
        var number: Int32 = 0
        for version in history.elements {
            number &+= 1
            guard let id = version.id else { continue }
            rows.append(to: .tweetVersions, key: id) { row in
                row.append(int8: id)
                row.append(int8: first)
                row.append(int4: number)
            }
        }
    }

    /// Rows of `tweet_errors`.
    private func appendErrors(to rows: inout RelationRows) {
        var position: Int32 = 0
        for error in line[.errors].elements {
            position &+= 1
            rows.append(to: .tweetErrors, key: id, detail: Int64(position)) { row in
                row.append(int8: id)
                row.append(int4: position)
                row.append(text: error["title"]?.string)
                row.append(text: error["type"]?.string?.afterLastSlash)
                row.append(text: (error["detail"] ?? error["message"])?.string)
                for member in ["parameter", "resource_type", "resource_id", "value", "section"] as [StaticString] {
                    row.append(text: error[member]?.string)
                }
            }
        }
    }

    /// Rows of tweets that the line only includes; the tweet itself is often among them, and what is no tweet is left to
    /// the payload.
    private func appendIncludedTweets(to rows: inout RelationRows) -> [TweetEncoder] {
        guard let list = includes[.tweets] ?? includes[.posts] else { return [] }
        var tweets: [TweetEncoder] = []
        for object in list.elements {
            guard let included = try? TweetEncoder(object), included.id != id else { continue }
            tweets.append(included)
            rows.append(to: .tweets, key: included.id, isMatched: false) { row in
                included.append(to: &row, authors: authors, record: record)
                row.append(bool: seen.isAltered || included.hasOddTime)
                row.appendNull()
                row.appendNull()
                row.append(bool: false)
                row.append(int8: id)
                included.appendContext(to: &row)
            }
            appendVersions(of: included, to: &rows)
        }
        return tweets
    }

    /// Takes note of who attaches what the line includes: its tweet, or one that it includes.
    private func noteAttachments(of included: [TweetEncoder], in rows: inout RelationRows) {
        guard includes[.media] != nil || includes[.polls] != nil else { return }
        Self.noteAttachments(of: tweet, in: &rows)
        for tweet in included { Self.noteAttachments(of: tweet, in: &rows) }
    }

    private static func noteAttachments(of tweet: TweetEncoder, in rows: inout RelationRows) {
        let attachments = tweet.tweet[.attachments]
        for key in (attachments?["media_keys"]).elements {
            if let key = key.string?.fingerprint { rows.attach(key, to: tweet.id) }
        }
        for poll in (attachments?["poll_ids"]).elements {
            if let id = poll.id { rows.attach(id, to: tweet.id) }
        }
    }
}
