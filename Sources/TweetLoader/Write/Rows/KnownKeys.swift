import Glibc
import TweetFormat

/// The keys that X documents, by their path in a line; other keys are reported, so that they can be counted.
///
/// Keys below an unknown key, or in an object that the data dictionary leaves open, are ignored.
struct KnownKeys: Sendable {
    /// One name at one place.
    private struct Name: Sendable {
        /// Where it stands in `names`.
        let start: Int
        let count: Int
        /// The place of its objects; -1: not looked into.
        let place: Int
    }

    /// Places' paths, and all their names, which are read without copying any of it: this is done for every key of every line.
    private var paths: [String] = []
    private var names: [UInt8] = []
    private var known: [Name] = []
    /// Where each place's names are in `known`.
    private var ranges: [Range<Int>] = []

    static let shared = KnownKeys()

    private init() {
        _ = add("", Self.line)
    }

    /// Calls `unknown` with the path of every key that is not known.
    func walk(_ line: JSONNode, unknown: (String) -> Void) {
        let found = unsafe names.withUnsafeBytes { names in
            unsafe known.withUnsafeBufferPointer { known in
                unsafe ranges.withUnsafeBufferPointer { ranges in
                    var walk = unsafe Walk(names: names, known: known, ranges: ranges)
                    walk.visit(line, paths.count - 1)
                    return walk.unknown
                }
            }
        }
        for (place, name) in found { unknown(Self.path(paths[place], name)) }
    }

    /// One walk over a line. Nothing in it counts references or calls a closure: counting them took a quarter of all decoding.
    @safe private struct Walk {
        let names: UnsafeRawBufferPointer
        let known: UnsafeBufferPointer<Name>
        let ranges: UnsafeBufferPointer<Range<Int>>
        /// What was found, nearly always nothing.
        var unknown: [(place: Int, name: JSONString)] = []

        init(
            names: UnsafeRawBufferPointer, known: UnsafeBufferPointer<Name>, ranges: UnsafeBufferPointer<Range<Int>>
        ) {
            unsafe self.names = names
            unsafe self.known = known
            unsafe self.ranges = ranges
        }

        /// As deep as the documented objects are, whatever the line is.
        mutating func visit(_ node: JSONNode, _ place: Int) {
            if node.isArray {
                for element in node.elements where element.isObject { visit(element, place) }
                return
            }
            for member in node.members {
                guard let child = child(member.name, at: place) else {
                    unknown.append((place, member.name))
                    continue
                }
                if child >= 0 { visit(member.value, child) }
            }
        }

        /// The place of the objects of that name; nil when the name is not known.
        private func child(_ name: JSONString, at place: Int) -> Int? {
            for number in unsafe ranges[place] {
                let candidate = unsafe known[number]
                if candidate.count == name.count,
                    unsafe memcmp(names.baseAddress! + candidate.start, name.bytes.baseAddress!, name.count) == 0
                {
                    return candidate.place
                }
            }
            return nil
        }
    }

    /// A key can be any text: what is stored of it is bounded.
    private static func path(_ place: String, _ name: JSONString) -> String {
        let key = unsafe String(decoding: name.bytes.prefix(100), as: UTF8.self)
        return place.isEmpty ? key : "\(place).\(key)"
    }

    /// Adds the objects that `keys` describes: names, each followed by the keys of its objects in braces, if any.
    private mutating func add(_ path: String, _ keys: String) -> Int {
        var words = keys.replacing("{", with: " { ").replacing("}", with: " } ").split(separator: " ")[...]
        return add(path, &words)
    }

    private mutating func add(_ path: String, _ words: inout ArraySlice<Substring>) -> Int {
        var found: [(name: String, place: Int)] = []
        while let word = words.popFirst(), word != "}" {
            if word == "{" {
                let name = found[found.count - 1].name
                found[found.count - 1].place = add(path.isEmpty ? name : "\(path).\(name)", &words)
            } else {
                found.append((String(word), -1))
            }
        }
        paths.append(path)
        ranges.append(known.count..<(known.count + found.count))
        for (name, place) in found {
            known.append(Name(start: names.count, count: name.utf8.count, place: place))
            names += Array(name.utf8)
        }
        return paths.count - 1
    }
}

/// X's data dictionary, the classic names and the newer ones.
extension KnownKeys {
    private static let entities = """
        hashtags{start end tag} cashtags{start end tag} mentions{start end username id} \
        annotations{start end probability type normalized_text} \
        urls{start end url expanded_url display_url unwound_url title description status images{url width height} media_key}
        """

    private static let metrics = """
        retweet_count repost_count reply_count like_count quote_count bookmark_count impression_count
        """

    private static let tweet = """
        id text lang source author_id conversation_id in_reply_to_user_id created_at community_id card_uri \
        display_text_range possibly_sensitive reply_settings paid_partnership scopes{followers} \
        edit_history_tweet_ids edit_history_post_ids edit_controls{is_edit_eligible editable_until edits_remaining} \
        referenced_tweets{type id} referenced_posts{type id} entities{\(entities)} \
        attachments{media_keys poll_ids media_source_tweet_id media_source_post_id} \
        context_annotations{domain{id name description} entity{id name description}} \
        public_metrics{\(metrics)} non_public_metrics organic_metrics promoted_metrics \
        geo{place_id coordinates{type coordinates}} withheld{copyright country_codes scope} \
        note_tweet{text entities{\(entities)}} note_post{text entities{\(entities)}} article \
        media_metadata{media_key alt_text title description} matched_media_notes note_request_suggestions \
        suggested_source_links suggested_source_links_with_counts
        """

    private static let user = """
        id username name created_at description location url protected verified verified_type verified_followers_count \
        is_identity_verified parody pinned_tweet_id pinned_post_id most_recent_tweet_id most_recent_post_id \
        profile_image_url profile_banner_url subscription_type subscription connection_status receives_your_dm \
        confirmed_email entities{url{urls{start end url expanded_url display_url}} description{\(entities)}} \
        public_metrics{followers_count following_count tweet_count post_count listed_count like_count media_count} \
        affiliation{badge_url url description user_id} withheld{country_codes scope}
        """

    private static let media = """
        media_key type url preview_image_url width height duration_ms alt_text variants{content_type url bit_rate} \
        public_metrics{view_count} non_public_metrics organic_metrics promoted_metrics
        """

    private static let place = """
        id full_name name country country_code place_type contained_within geo{type bbox properties geometry}
        """

    private static let line = """
        data{\(tweet)} matching_rules{id tag embedding_similarity embedding_threshold} timeline{user_id kind fetched_at} \
        includes{tweets{\(tweet)} posts{\(tweet)} users{\(user)} media{\(media)} places{\(place)} topics \
        polls{id options{position label votes} duration_minutes end_datetime voting_status}} \
        errors{title type detail message code status parameter parameters resource_id resource_type value section field \
        reason}
        """
}
