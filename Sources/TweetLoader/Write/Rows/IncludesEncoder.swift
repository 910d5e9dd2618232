import Postgres
import TweetFormat

/// What a line brings beside its tweet, on its way into rows of the other relations.
struct IncludesEncoder {
    let seen: Sighting

    /// A row of `users`; nothing for what has no id.
    func appendUser(_ object: JSONNode, to rows: inout RelationRows) {
        let user = Members<UserMember, 25>(of: object)
        guard let id = user[.id]?.id else { return }
        rows.append(to: .users, key: id, seen: seen) { row in
            row.append(int8: id)
            Self.appendProfile(user, to: &row)
            Self.appendMetrics(user[.publicMetrics], to: &row)
            let affiliation = user[.affiliation]
            row.append(text: affiliation?["description"]?.string)
            row.append(text: affiliation?["url"]?.string)
            row.append(text: affiliation?["badge_url"]?.string)
            row.append(idOrIDs: affiliation?["user_id"])
            row.append(withheld: user[.withheld], hasCopyright: false)
        }
    }

    /// username to most_recent_tweet_id
    private static func appendProfile(_ user: Members<UserMember, 25>, to row: inout CopyBuffer) {
        row.append(text: user[.username]?.string)
        row.append(text: user[.name]?.string)
        row.append(timestamptz: user[.createdAt]?.timestamp)
        row.append(text: user[.description]?.string)
        row.append(text: user[.location]?.string)
        row.append(text: user[.url]?.string)
        row.append(text: user[.entities]?["url"]?["urls"]?.elements.first?["expanded_url"]?.string)
        row.append(text: user[.profileImageURL]?.string)
        row.append(text: user[.profileBannerURL]?.string)
        row.append(bool: user[.protected]?.bool)
        row.append(bool: user[.verified]?.bool)
        row.append(text: user[.verifiedType]?.string)
        // A number in the specification, a string of digits in the prose.
        row.append(int8: user[.verifiedFollowersCount]?.id)
        row.append(bool: user[.isIdentityVerified]?.bool)
        row.append(bool: user[.parody]?.bool)
        row.append(text: user[.subscriptionType]?.string)
        row.append(int8: (user[.pinnedTweetID] ?? user[.pinnedPostID])?.id)
        row.append(int8: (user[.mostRecentTweetID] ?? user[.mostRecentPostID])?.id)
    }

    /// followers_count to media_count
    private static func appendMetrics(_ metrics: JSONNode?, to row: inout CopyBuffer) {
        row.append(int8: metrics?["followers_count"]?.integer)
        row.append(int8: metrics?["following_count"]?.integer)
        row.append(int8: (metrics?["tweet_count"] ?? metrics?["post_count"])?.integer)
        row.append(int8: metrics?["listed_count"]?.integer)
        row.append(int8: metrics?["like_count"]?.integer)
        row.append(int8: metrics?["media_count"]?.integer)
    }

    /// A row of `media`; nothing for what has no key.
    func appendMedium(_ medium: JSONNode, to rows: inout RelationRows) {
        guard let name = medium["media_key"]?.string else { return }
        let key = name.fingerprint
        let owner = rows.owner(of: key)
        rows.append(to: .media, key: key, seen: seen) { row in
            row.append(text: name)
            row.append(text: medium["type"]?.string)
            row.append(text: medium["url"]?.string)
            row.append(text: medium["preview_image_url"]?.string)
            row.append(int4: medium["width"]?.integer)
            row.append(int4: medium["height"]?.integer)
            row.append(int8: medium["duration_ms"]?.integer)
            row.append(text: medium["alt_text"]?.string)
            row.append(int8: medium["public_metrics"]?["view_count"]?.integer)
            row.append(texts: "url", of: medium["variants"])
            row.append(texts: "content_type", of: medium["variants"])
            row.append(integers: "bit_rate", of: medium["variants"])
            row.append(int8: owner)
        }
    }

    /// A row of `polls`; nothing for what has no id.
    func appendPoll(_ poll: JSONNode, to rows: inout RelationRows) {
        guard let id = poll["id"]?.id else { return }
        let owner = rows.owner(of: id)
        rows.append(to: .polls, key: id, seen: seen) { row in
            row.append(int8: id)
            row.append(texts: "label", of: poll["options"])
            row.append(integers: "votes", of: poll["options"])
            row.append(int4: poll["duration_minutes"]?.integer)
            row.append(timestamptz: poll["end_datetime"]?.timestamp)
            row.append(text: poll["voting_status"]?.string)
            row.append(int8: owner)
        }
    }

    /// A row of `places`; nothing for what has no id.
    func appendPlace(_ place: JSONNode, to rows: inout RelationRows) {
        guard let id = place["id"]?.string else { return }
        rows.append(to: .places, key: id.fingerprint, seen: seen) { row in
            row.append(text: id)
            row.append(text: place["full_name"]?.string)
            row.append(text: place["name"]?.string)
            row.append(text: place["country"]?.string)
            row.append(text: place["country_code"]?.string)
            row.append(text: place["place_type"]?.string)
            row.append(texts: place["contained_within"])
            // RFC 7946, section 5: west, south, east, north.
            var box = place["geo"]?["bbox"]?.elements
            for _ in 0..<4 { row.append(float8: box?.next()?.double) }
        }
    }

    /// Rows of `context_domains` and `context_entities` for what this batch has not named yet.
    func appendContext(_ annotations: JSONNode?, to rows: inout RelationRows) {
        guard let annotations else { return }
        for annotation in annotations.elements {
            appendContext(annotation["domain"], to: .contextDomains, of: &rows)
            appendContext(annotation["entity"], to: .contextEntities, of: &rows)
        }
    }

    private func appendContext(_ object: JSONNode?, to relation: Relation, of rows: inout RelationRows) {
        guard let object, let id = object["id"]?.id else { return }
        let (name, description) = (object["name"]?.string, object["description"]?.string)
        let hash =
            id &* 31 &+ Int64(relation.rawValue) ^ (name?.fingerprint ?? 0) &+ 3 &* (description?.fingerprint ?? 0)
        guard rows.isNewContext(hash) else { return }
        rows.append(to: relation, key: id, seen: seen) { row in
            row.append(int8: id)
            row.append(text: name)
            row.append(text: description)
        }
    }
}

extension JSONString {
    /// A hash of the text, the same on every machine and in every run.
    var fingerprint: Int64 { unsafe Fingerprint.of(bytes) }
}

extension CopyBuffer {
    /// A `bigint[]` of an array of ids, or of one id that stands alone, as in captures before 2025.
    fileprivate mutating func append(idOrIDs values: JSONNode?) {
        guard let id = values?.id else { return append(ids: values) }
        var array = beginArray(of: .int8)
        appendElement(int8: id, to: &array)
        endArray(array)
    }
}
