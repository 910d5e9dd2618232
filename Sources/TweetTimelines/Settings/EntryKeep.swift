import Core

/// Which entries of timelines are kept. Marks do not depend on entries.
enum EntryKeep: Equatable, Sendable {
    case all
    /// The newest of each timeline.
    case posts(Int)
    /// Those that were posted within this time.
    case time(Duration)

    /// Reads `all`, a number of posts, or a time such as `180d`; nil for anything else.
    init?(setting text: String) {
        if text == "all" {
            self = .all
        } else if let count = Int(text) {
            guard (1...100_000).contains(count) else { return nil }
            self = .posts(count)
        } else {
            guard let time = Duration(setting: text), time >= .seconds(3600) else { return nil }
            self = .time(time)
        }
    }
}
