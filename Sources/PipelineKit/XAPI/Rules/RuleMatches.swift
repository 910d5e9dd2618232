import Core
import Synchronization
import TweetFormat

/// How many posts each rule at X has brought, and when the last; counted while they are published, and kept in a file.
package final class RuleMatches: Sendable {
    private struct Entry: Codable {
        var posts: Int64
        /// Milliseconds since 1970.
        var last: Int64
    }

    private struct State: Codable {
        /// When counting began, in milliseconds since 1970.
        var since: Int64
        var rules: [String: Entry] = [:]
    }

    private let state: Mutex<State>
    private let file: StateFile<State>
    /// The stream's folder.
    package let folder: String

    /// Continues from the file in the journal's folder; a missing or damaged file starts over, as only warnings depend on it.
    package init(folder: String, now: Timestamp = .now()) {
        self.folder = folder
        file = StateFile("rule-matches.json", in: folder)
        state = Mutex(file.value ?? State(since: now.milliseconds))
    }

    /// Counts a post for the rules that it matched.
    package func count(_ ids: [Int64], at moment: Timestamp) {
        guard !ids.isEmpty else { return }
        state.withLock { state in
            for id in ids {
                state.rules[String(id), default: Entry(posts: 0, last: 0)].posts += 1
                state.rules[String(id)]?.last = moment.milliseconds
            }
        }
    }

    /// How many posts a rule has brought since counting began.
    package func posts(of id: String) -> Int64 {
        state.withLock { $0.rules[id]?.posts ?? 0 }
    }

    /// Since when a rule has brought nothing: its last post, its making at X, or the begin of counting, whichever is latest.
    package func quietSince(_ id: String) -> Timestamp {
        let made = Int64(id).flatMap { Snowflake.timestamp(of: $0) }?.milliseconds ?? 0
        return state.withLock { state in
            Timestamp(milliseconds: max(state.since, made, state.rules[id]?.last ?? 0))
        }
    }

    /// Writes the file, with the rules that X still has.
    ///
    /// - Throws: `FileError` when the disk refuses.
    package func save(keeping ids: Set<String>) throws(FileError) {
        let kept = state.withLock { state in
            state.rules = state.rules.filter { ids.contains($0.key) }
            return state
        }
        try file.write(kept)
    }
}
