extension TweetGenerator {
    /// The objects that the expansions of a post bring.
    func includes(_ post: Post, _ writer: inout JSONWriter) {
        let base = post.kind.base.map(posts.post)
        let earlier = post.history.dropLast().map(posts.post)
        let people = [post.author] + (base.map { $0.author.id == post.author.id ? [] : [$0.author] } ?? [])
        writer.field("users", objects: people) { user($1, &$0) }
        // X includes the post itself too when asked for the versions of edited posts (edit_history_tweet_ids).
        let others = post.history.count > 1 ? earlier + [post] : base.map { post.isTerse ? [] : [$0] } ?? []
        writer.field("tweets", objects: others) { tweet($1, &$0) }
        let media = post.media + (base?.media ?? []).filter { item in !post.media.contains { $0.key == item.key } }
        writer.field("media", objects: media) { self.media($1, &$0) }
        writer.field("places", objects: post.place.map { [$0] } ?? []) { place(Phrasebook.places[$1], &$0) }
        writer.field("polls", objects: post.pollLabels.isEmpty ? [] : [post]) { poll($1, &$0) }
    }

    private func user(_ person: Person, _ writer: inout JSONWriter) {
        writer.field("id", String(person.id))
        writer.field("name", person.name)
        writer.field("username", person.username)
        writer.field("created_at", person.createdAt.description)
        writer.field("description", person.description.text)
        if !person.location.isEmpty { writer.field("location", person.location) }
        writer.field("protected", literal: false)
        writer.field("verified", literal: person.isVerified)
        writer.field("verified_type", person.isVerified ? "blue" : "none")
        writer.field("url", "")
        writer.field("public_metrics") { metrics in
            metrics.field("followers_count", literal: person.followers)
            metrics.field("following_count", literal: person.following)
            metrics.field("tweet_count", literal: person.posts)
            metrics.field("listed_count", literal: person.followers / 100)
        }
    }

    private func media(_ media: Post.Media, _ writer: inout JSONWriter) {
        writer.field("media_key", media.key)
        writer.field("type", media.type)
        writer.field("width", literal: 1200)
        writer.field("height", literal: 675)
        let address = "https://pbs.example.org/media/\(media.key).jpg"
        writer.field(media.type == "photo" ? "url" : "preview_image_url", address)
        if media.type == "video" { writer.field("duration_ms", literal: 31_500) }
        if let text = media.altText { writer.field("alt_text", text) }
    }

    private func place(
        _ place: (id: String, name: String, full: String, code: String, box: [Double]), _ writer: inout JSONWriter
    ) {
        writer.field("id", place.id)
        writer.field("name", place.name)
        writer.field("full_name", place.full)
        writer.field("country_code", place.code)
        writer.field("place_type", "city")
        writer.field("geo") { geo in
            geo.field("type", "Feature")
            geo.key("bbox")
            geo.array(place.box) { $0.literal($1) }
            geo.field("properties") { _ in }
        }
    }

    private func poll(_ post: Post, _ writer: inout JSONWriter) {
        writer.field("id", pollID(post))
        writer.field("options", objects: Array(post.pollLabels.enumerated())) { object, option in
            object.field("position", literal: option.offset + 1)
            object.field("label", String(option.element.prefix(25)))
            object.field("votes", literal: 0)
        }
        writer.field("duration_minutes", literal: 1440)
        writer.field("voting_status", "open")
        writer.field("end_datetime", clock(post.index).advanced(by: .seconds(86_400)).description)
    }
}
