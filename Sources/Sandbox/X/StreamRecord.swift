import Core
import FoundationEssentials
import Synchronization

/// What the simulator wrote on one connection to the stream.
package struct StreamConnection: Sendable {
    /// How a connection ended.
    package enum Ending: String, Sendable, Codable {
        case open
        /// We ended the answer and closed.
        case closed
        /// We closed in the middle of the answer.
        case dropped
        /// We reset it.
        case reset
        /// The client closed, reset or was killed.
        case client
        /// The Connections API was asked to end it.
        case killed
        /// A newer connection took its place.
        case displaced
    }

    /// A line and when the kernel had taken all of it.
    package struct Written: Sendable {
        package let index: Int64
        package let at: Timestamp
    }

    /// From 1.
    package let number: Int
    /// What the Connections API calls it.
    package let id: String
    package let clientAddress: String
    package let startedAt: Timestamp
    /// The query of the request, as it came.
    package let query: String
    /// Whether it is of a past window only (`start_time`), which needs no place among the connections.
    package let isRecovery: Bool
    package internal(set) var ending = Ending.open
    package internal(set) var endedAt: Timestamp?
    /// Until when it counts as open although it has ended.
    package internal(set) var lingersUntil: Timestamp?
    /// Lines that were completely written, in order.
    package internal(set) var written: [Written] = []
    /// Lines that were begun and perhaps not finished.
    package internal(set) var cut: [Int64] = []
    /// Lines written that are not the feed's: garbage, control messages; of an endless one the beginning.
    package internal(set) var extra: [[UInt8]] = []
    package internal(set) var keepAlives = 0
}

/// A connection to the same stream that another client holds.
struct OtherConnection: Sendable {
    let id: String
    let clientAddress: String
    let startedAt: Timestamp
    let endsAt: Timestamp?
    var killedAt: Timestamp?

    func isOpen(at now: Timestamp) -> Bool { killedAt == nil && endsAt.map { now < $0 } ?? true }
}

/// Every connection to the stream, and every answer that was not one.
final class StreamRecord: Sendable {
    struct State {
        var connections: [StreamConnection] = []
        var others: [OtherConnection] = []
        var refused: [Int: Int] = [:]
        /// How long a connection that ends counts as open.
        var linger = Duration.zero
        /// The first line of the feed that no connection has completely written, and those beyond it that one has.
        var firstUnwritten: Int64 = 0
        var writtenBeyond: Set<Int64> = []
        /// When each attempt to read the stream came.
        var attempts: [Timestamp] = []
        /// Lines that the search endpoint has delivered.
        var searched: [Int64] = []
    }

    let clock: SandboxClock
    let state = Mutex(State())

    init(clock: SandboxClock) {
        self.clock = clock
    }

    var connections: [StreamConnection] { state.withLock { $0.connections } }

    var openCount: Int { state.withLock { $0.connections.count { $0.ending == .open } } }

    var firstUnwritten: Int64 { state.withLock { $0.firstUnwritten } }

    /// How many lines were completely written, repeats included.
    var writtenCount: Int { state.withLock { $0.connections.reduce(0) { $0 + $1.written.count } } }

    /// How often the stream was refused, by status.
    var refused: [Int: Int] { state.withLock { $0.refused } }

    /// When each attempt to read the stream came, refused or not.
    var attempts: [Timestamp] { state.withLock { $0.attempts } }

    /// When the last of the ended connections ended.
    var previousEnd: Timestamp? { state.withLock { $0.connections.compactMap(\.endedAt).max() } }

    /// Opens a connection, unless `limit` are open, those that linger and those of others included; returns its number.
    /// With `displaces` the oldest open one makes room.
    func open(query: String, client: String, limit: Int, displaces: Bool, isRecovery: Bool) -> Int? {
        let now = clock.now
        return state.withLock { state in
            let active = state.connections.indices.filter {
                state.connections[$0].isRecovery == isRecovery && state.connections[$0].isActive(at: now)
            }
            let others = isRecovery ? 0 : state.others.count { $0.isOpen(at: now) }
            if active.count + others >= limit {
                guard displaces, let oldest = active.first else { return nil }
                state.connections[oldest].end(.displaced, at: now)
            }
            let number = state.connections.count + 1
            state.connections.append(
                StreamConnection(
                    number: number, id: UUID().uuidString.lowercased(), clientAddress: client, startedAt: now,
                    query: query, isRecovery: isRecovery))
            return number
        }
    }

    func attempt() {
        let now = clock.now
        state.withLock { $0.attempts.append(now) }
    }

    func refuse(_ status: Int) {
        state.withLock { $0.refused[status, default: 0] += 1 }
    }

    func write(_ indexes: [Int64], on connection: Int) {
        let now = clock.now
        state.withLock { state in
            for index in indexes {
                state.connections[connection - 1].written.append(.init(index: index, at: now))
                if index >= state.firstUnwritten { state.writtenBeyond.insert(index) }
            }
            while state.writtenBeyond.remove(state.firstUnwritten) != nil { state.firstUnwritten += 1 }
        }
    }

    func update(_ connection: Int, _ change: (inout StreamConnection) -> Void) {
        state.withLock { change(&$0.connections[connection - 1]) }
    }

    /// How a connection stands; anything but `open` asks its delivery to end.
    func ending(of connection: Int) -> StreamConnection.Ending {
        state.withLock { $0.connections[connection - 1].ending }
    }

    /// Marks a connection as ended; the first reason stands.
    func end(_ connection: Int, _ ending: StreamConnection.Ending) {
        let now = clock.now
        state.withLock { state in
            guard state.connections[connection - 1].ending == .open else { return }
            state.connections[connection - 1].end(ending, at: now)
            if state.linger > .zero {
                state.connections[connection - 1].lingersUntil = now.advanced(by: state.linger)
            }
        }
    }
}

extension StreamConnection {
    /// Whether X counts it among the open ones.
    func isActive(at now: Timestamp) -> Bool { ending == .open || lingersUntil.map { now < $0 } == true }

    mutating func end(_ ending: Ending, at now: Timestamp) {
        self.ending = ending
        endedAt = now
    }
}
