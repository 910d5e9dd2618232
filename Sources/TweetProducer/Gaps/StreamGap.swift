import Core
import TweetFormat

/// How a gap is filled again.
package enum RepairMethod: String, Codable, Sendable, CaseIterable {
    /// X sends the last minutes again on the next connection (X: "Recovery and redundancy", `backfill_minutes`).
    case backfill
    /// X sends a window of the last 24 hours on a connection of its own (same page, `start_time` and `end_time`).
    case recovery
    /// The rules are asked of the search of the last seven days (X: "Search Posts", recent).
    case search

    /// Whether X replays what the stream would have sent; a search follows other rules in details.
    package var isExact: Bool { self != .search }
}

/// A time in which the stream brought nothing because it was not connected, by this host's clock.
package struct StreamGap: Codable, Equatable, Sendable {
    package enum Status: String, Codable, Sendable {
        case open
        case repairedExactly = "repaired_exactly"
        case repairedApproximately = "repaired_approximately"
        /// An operator closed it without a repair; `note` has the reason.
        case accepted
        /// Another producer of the stream has declared it, and fills it.
        case covered
    }

    /// The sequence number of the event that opened it: its name in the ledger, too.
    package let seq: Int64
    /// The connection that ended.
    package var connection: Int64
    /// When the last byte before it was received, in milliseconds since 1970.
    package var started: Int64
    /// When the stream was connected again; nil while it is not.
    package var ended: Int64?
    /// Why the connection ended.
    package var cause: String
    /// The id of the last post before it.
    package var newestID: String?
    /// When the reader last had everything that X had sent, in milliseconds since 1970; nil when unknown.
    package var caughtUp: Int64?
    package var status = Status.open
    package var repairedBy: RepairMethod?
    /// From when on it is filled, in milliseconds since 1970, when X no longer gave what is older; nil when no part is.
    package var filledFrom: Int64?
    /// Posts that repairs have brought.
    package var posts: Int64 = 0
    /// Marks the lines that the last repair has brought: their connection.
    package var repairConnection: Int64?
    /// Why it could not be repaired.
    package var note: String?
    /// How often a repair was tried and failed.
    package var tries = 0
    /// Ids of the rules whose search is finished.
    package var searched: [String] = []

    private enum CodingKeys: String, CodingKey {
        case seq, connection, started, ended, cause, status, posts, note, tries, searched
        case newestID = "newest_id"
        case caughtUp = "caught_up"
        case filledFrom = "filled_from"
        case repairedBy = "repaired_by"
        case repairConnection = "repair_connection"
    }

    /// A gap that an event opens; nil for an event that opens none.
    package init?(_ event: PipelineEvent, seq: Int64) {
        guard [.disconnected, .handedOver].contains(event.type), let at = Timestamp(event.at) else { return nil }
        self.seq = seq
        connection = event.connection.flatMap { Int64($0) } ?? 0
        started = (event.lastReceivedAt.flatMap { Timestamp($0) } ?? at).milliseconds
        cause = event.cause ?? event.type.rawValue
        newestID = event.newestID
        caughtUp = event.caughtUpAt.flatMap { Timestamp($0) }?.milliseconds
    }

    /// Whether it is one that was wanted: reading stopped because a limit of posts was reached.
    package var isWanted: Bool { cause == "post_limit" }

    package var start: Timestamp { Timestamp(milliseconds: started) }
    package var end: Timestamp? { ended.map { Timestamp(milliseconds: $0) } }
    /// The end of what is still missing; nil while the stream is not connected.
    var missingUntil: Timestamp? { (filledFrom ?? ended).map { Timestamp(milliseconds: $0) } }
}
