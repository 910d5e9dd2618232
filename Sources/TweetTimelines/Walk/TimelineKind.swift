/// A timeline of an account (X: "Timelines").
enum TimelineKind: String, Codable, CaseIterable, Sendable {
    /// Posts of the accounts that it follows, and its own.
    case home
    /// Its own posts.
    case posts
    /// Posts that mention it.
    case mentions

    /// The path of X's endpoint.
    func path(of account: Int64) -> String {
        switch self {
        case .home: "/2/users/\(account)/timelines/reverse_chronological"
        case .posts: "/2/users/\(account)/tweets"
        case .mentions: "/2/users/\(account)/mentions"
        }
    }

    /// The smallest page that X accepts.
    var smallestPage: Int { self == .home ? 1 : 5 }

    /// Posts that X returns however old they are; older ones only for 7 days, if at all.
    var depth: Int { self == .posts ? 3200 : 800 }
}
