import Core

extension TweetGenerator {
    /// The members of a tweet object (data dictionary, classic names).
    func tweet(_ post: Post, _ writer: inout JSONWriter) {
        let id = String(id(of: post.index))
        let time = Timestamp(milliseconds: clock(post.index).milliseconds / 1000 * 1000)
        writer.field("id", id)
        writer.field("text", post.text.text)
        writer.field("edit_history_tweet_ids", post.history.map { String(self.id(of: $0)) })
        writer.field("author_id", String(post.author.id))
        writer.field("created_at", time.description)
        writer.field("lang", post.language)
        references(post, &writer)
        writer.field("edit_controls") { controls in
            controls.field("edits_remaining", literal: 6 - post.history.count)
            controls.field("is_edit_eligible", literal: post.kind == .original && post.pollLabels.isEmpty)
            controls.field("editable_until", time.advanced(by: .seconds(3600)).description)
        }
        writer.field("public_metrics") { metrics in
            for name in [
                "retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count", "impression_count",
            ] {
                metrics.field(name, literal: 0)
            }
        }
        writer.field("possibly_sensitive", literal: post.isSensitive)
        writer.field("reply_settings", "everyone")
        writer.field("entities") { entities(post.text, &$0) }
        attachments(post, &writer)
        if let long = post.longText {
            writer.field("note_tweet") { note in
                note.field("text", long.text)
                note.field("entities") { entities(long, &$0) }
            }
        }
    }

    private func references(_ post: Post, _ writer: inout JSONWriter) {
        let (type, base): (String, Int64)
        switch post.kind {
        case .original, .edit:
            writer.field("conversation_id", String(id(of: post.history[0])))
            return
        case .reply(let index): (type, base) = ("replied_to", index)
        case .quote(let index): (type, base) = ("quoted", index)
        case .repost(let index): (type, base) = ("retweeted", index)
        }
        let other = String(id(of: base))
        writer.field("conversation_id", type == "replied_to" ? other : String(id(of: post.index)))
        if type == "replied_to" { writer.field("in_reply_to_user_id", String(posts.post(base).author.id)) }
        writer.field("referenced_tweets", objects: [other]) { object, id in
            object.field("type", type)
            object.field("id", id)
        }
    }

    private func attachments(_ post: Post, _ writer: inout JSONWriter) {
        if !post.media.isEmpty {
            writer.field("attachments") { $0.field("media_keys", post.media.map(\.key)) }
        } else if !post.pollLabels.isEmpty {
            writer.field("attachments") { $0.field("poll_ids", [pollID(post)]) }
        }
        guard let number = post.place else { return }
        let place = Phrasebook.places[number]
        writer.field("geo") { geo in
            geo.field("place_id", place.id)
            guard post.hasPoint else { return }
            geo.field("coordinates") { point in
                point.field("type", "Point")
                point.key("coordinates")
                point.array(place.box.prefix(2)) { $0.literal($1) }
            }
        }
    }

    private func entities(_ text: PostText, _ writer: inout JSONWriter) {
        writer.field("hashtags", objects: text.hashtags) { tag($1, &$0) }
        writer.field("cashtags", objects: text.cashtags) { tag($1, &$0) }
        writer.field("mentions", objects: text.mentions) { object, mention in
            span(mention, &object)
            object.field("username", mention.value)
            object.field("id", mention.detail)
        }
        writer.field("urls", objects: text.links) { object, link in
            span(link, &object)
            object.field("url", link.value)
            object.field("expanded_url", link.detail)
            object.field("display_url", "example.org/…")
        }
    }

    private func tag(_ tag: PostText.Span, _ writer: inout JSONWriter) {
        span(tag, &writer)
        writer.field("tag", tag.value)
    }

    private func span(_ span: PostText.Span, _ writer: inout JSONWriter) {
        writer.field("start", literal: span.start)
        writer.field("end", literal: span.end)
    }

    func pollID(_ post: Post) -> String {
        String(id(of: post.index) + 1)
    }
}
