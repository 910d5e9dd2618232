/// What of a tweet is loaded, and what the loader is measured against.
enum LoadShape: String, CaseIterable {
    case tweets = "tweets without payload"
    case lean = "whole schema without payload"
    case whole = "whole schema with payload"

    /// For the names of figures and databases.
    var name: String {
        switch self {
        case .tweets: "tweets"
        case .lean: "lean"
        case .whole: "whole"
        }
    }

    var includes: BenchLines.Includes { self == .tweets ? .none : .all }
    /// What is kept of each line.
    var payload: String { self == .whole ? "jsonb" : "drop" }
    /// The least that the loader's rate must be, as a share of `\copy` in that format.
    func bar(copy format: String) -> Double? {
        switch (self, format) {
        case (.whole, "text"): 1
        case (.tweets, "binary"), (.lean, "binary"): 0.75
        default: nil
        }
    }
    /// The least that the loader's rate must be, as a share of the Python loader's.
    var barOfPeer: Double { self == .whole ? 1.25 : 1 }
}
