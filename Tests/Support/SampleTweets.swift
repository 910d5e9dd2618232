/// Lines made for the tests, in X's form.
package enum SampleTweets {
    package static let id: Int64 = 2_117_300_000_000_000_000

    /// A line with every member that becomes a column.
    package static let full = """
        {"data":{"id":"2117300000000000000","text":"Hi @amy &amp; all #one $TSLA https://t.co/a","lang":"en",\
        "created_at":"2026-11-02T16:57:12.000Z","author_id":"77","conversation_id":"2117200000000000000",\
        "in_reply_to_user_id":"12","source":"Web App","possibly_sensitive":false,"reply_settings":"mentionedUsers",\
        "community_id":"1146654567674912769","card_uri":"card://9","display_text_range":[4,40],"paid_partnership":true,\
        "scopes":{"followers":false},"edit_history_tweet_ids":["2117299999999999999","2117300000000000000"],\
        "edit_controls":{"is_edit_eligible":true,"editable_until":"2026-11-02T17:57:12.000Z","edits_remaining":"4"},\
        "referenced_tweets":[{"type":"replied_to","id":"31"},{"type":"quoted","id":"32"},{"type":"retweeted","id":"33"}],\
        "public_metrics":{"retweet_count":1,"reply_count":2,"like_count":3,"quote_count":4,"bookmark_count":5,\
        "impression_count":9223372036854775807},\
        "entities":{"hashtags":[{"start":1,"end":2,"tag":"one"},{"start":3,"end":4,"tag":"übung"}],\
        "cashtags":[{"start":1,"end":2,"tag":"TSLA"}],\
        "mentions":[{"start":3,"end":7,"username":"amy","id":"12"},{"start":8,"end":9,"username":"bob"}],\
        "urls":[{"start":1,"end":2,"url":"https://t.co/a","expanded_url":"https://example.org/","status":"200"}],\
        "annotations":[{"start":0,"end":1,"probability":0.5,"type":"Person","normalized_text":"Amy"}]},\
        "attachments":{"media_keys":["3_1","7_2"],"poll_ids":["41"],"media_source_tweet_id":["42"]},\
        "geo":{"place_id":"df51dec6f4ee2b2c","coordinates":{"type":"Point","coordinates":[-73.99,40]}},\
        "withheld":{"copyright":true,"country_codes":["DE","XY"],"scope":"tweet"},\
        "note_tweet":{"text":"The whole of it","entities":{"hashtags":[{"tag":"one"},{"tag":"more"}]}},\
        "article":{"title":"A title","plain_text":"And a text"}},\
        "includes":{"users":[{"id":"12","username":"amy"},{"id":"77","username":"zoe","name":"Zoë"}]},\
        "matching_rules":[{"id":"51","tag":"cats"},{"id":52,"tag":""},{"id":"53"},{"id":"54","tag":null}]}
        """

    /// The values of `full` in columns, as PostgreSQL writes them; provenance and payload apart.
    package static let fullColumns: [(column: String, value: String?)] = [
        ("id", "2117300000000000000"), ("created_at", "2026-11-02 16:57:12+00"), ("author_id", "77"),
        ("author_username", "zoe"), ("text", "Hi @amy &amp; all #one $TSLA https://t.co/a"),
        ("long_text", "The whole of it"), ("lang", "en"), ("conversation_id", "2117200000000000000"),
        ("in_reply_to_user_id", "12"), ("replied_to_id", "31"), ("quoted_id", "32"), ("retweeted_id", "33"),
        ("edit_ids", "{2117299999999999999,2117300000000000000}"), ("is_edit_eligible", "t"),
        ("editable_until", "2026-11-02 17:57:12+00"), ("edits_remaining", "4"), ("retweet_count", "1"),
        ("reply_count", "2"), ("like_count", "3"), ("quote_count", "4"), ("bookmark_count", "5"),
        ("impression_count", "9223372036854775807"), ("hashtags", "{one,übung,more}"), ("cashtags", "{TSLA}"),
        ("mentions", "{amy,bob}"), ("mention_ids", "{12,NULL}"), ("urls", "{https://t.co/a}"),
        ("expanded_urls", "{https://example.org/}"), ("media_keys", "{3_1,7_2}"), ("poll_ids", "{41}"),
        ("media_source_tweet_ids", "{42}"), ("place_id", "df51dec6f4ee2b2c"), ("longitude", "-73.99"),
        ("latitude", "40"), ("possibly_sensitive", "f"), ("reply_settings", "mentionedUsers"), ("source", "Web App"),
        ("community_id", "1146654567674912769"), ("card_uri", "card://9"), ("display_text_start", "4"),
        ("display_text_end", "40"), ("paid_partnership", "t"), ("scopes_followers", "f"), ("article_title", "A title"),
        ("article_text", "And a text"), ("withheld_copyright", "t"), ("withheld_countries", "{DE,XY}"),
        ("withheld_scope", "tweet"), ("matched", "t"), ("included_by", nil),
    ]

    /// A tweet with an id, more members of `data`, and more members of the line.
    package static func line(_ id: Int64 = id, _ data: String = "", line: String = "") -> [UInt8] {
        let comma = data.isEmpty ? "" : ","
        return Array(#"{"data":{"text":"x","id":"\#(id)"\#(comma)\#(data)}\#(line.isEmpty ? "" : ",")\#(line)}"#.utf8)
    }
}
