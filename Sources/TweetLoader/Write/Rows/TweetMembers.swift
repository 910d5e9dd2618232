/// The members of a tweet that become columns: names of X's data dictionary, and of its newer vocabulary ("post").
enum TweetMember: String, MemberName {
    case id, text, lang, source, attachments, entities, geo, withheld, article, scopes
    case authorID = "author_id"
    case cardURI = "card_uri"
    case communityID = "community_id"
    case contextAnnotations = "context_annotations"
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

    static let table = NameTable(allCases.map(\.rawValue))
}

/// The members of a user that become columns.
enum UserMember: String, MemberName {
    case id, username, name, description, location, url, entities, protected, verified, parody, subscription
    case affiliation, withheld
    case createdAt = "created_at"
    case isIdentityVerified = "is_identity_verified"
    case mostRecentPostID = "most_recent_post_id"
    case mostRecentTweetID = "most_recent_tweet_id"
    case pinnedPostID = "pinned_post_id"
    case pinnedTweetID = "pinned_tweet_id"
    case profileBannerURL = "profile_banner_url"
    case profileImageURL = "profile_image_url"
    case publicMetrics = "public_metrics"
    case subscriptionType = "subscription_type"
    case verifiedFollowersCount = "verified_followers_count"
    case verifiedType = "verified_type"

    static let table = NameTable(allCases.map(\.rawValue))
}

/// The members of a line.
enum LineMember: String, MemberName {
    case data, includes, errors, timeline
    case matchingRules = "matching_rules"

    static let table = NameTable(allCases.map(\.rawValue))
}

/// The lists of `includes`.
enum IncludesMember: String, MemberName {
    case users, tweets, posts, media, places, polls

    static let table = NameTable(allCases.map(\.rawValue))
}
