package import PipelineKit
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
    }

    /// A line and when the kernel had taken all of it.
    package struct Written: Sendable {
        package let index: Int64
        package let at: Timestamp
    }

    /// From 1.
    package let number: Int
    package let startedAt: Timestamp
    /// The query of the request, as it came.
    package let query: String
    package internal(set) var ending = Ending.open
    package internal(set) var endedAt: Timestamp?
    /// Lines that were completely written, in order.
    package internal(set) var written: [Written] = []
    /// Lines that were begun and perhaps not finished.
    package internal(set) var cut: [Int64] = []
    /// Lines written that are not the feed's: garbage, control messages.
    package internal(set) var extra: [[UInt8]] = []
    package internal(set) var keepAlives = 0
}

/// Every connection to the stream, and every answer that was not one.
final class StreamRecord: Sendable {
    private struct State {
        var connections: [StreamConnection] = []
        var refused: [Int: Int] = [:]
        /// The first line of the feed that no connection has completely written.
        var firstUnwritten: Int64 = 0
    }

    private let state = Mutex(State())

    var connections: [StreamConnection] { state.withLock { $0.connections } }

    var openCount: Int { state.withLock { $0.connections.count { $0.ending == .open } } }

    var firstUnwritten: Int64 { state.withLock { $0.firstUnwritten } }

    /// How often the stream was refused, by status.
    var refused: [Int: Int] { state.withLock { $0.refused } }

    /// When the last of the ended connections ended.
    var previousEnd: Timestamp? { state.withLock { $0.connections.compactMap(\.endedAt).max() } }

    /// Opens a connection unless `limit` are open; returns its number.
    func open(query: String, limit: Int) -> Int? {
        state.withLock { state in
            guard state.connections.count(where: { $0.ending == .open }) < limit else { return nil }
            let number = state.connections.count + 1
            state.connections.append(StreamConnection(number: number, startedAt: .now(), query: query))
            return number
        }
    }

    func refuse(_ status: Int) {
        state.withLock { $0.refused[status, default: 0] += 1 }
    }

    func write(_ indexes: [Int64], on connection: Int) {
        let now = Timestamp.now()
        state.withLock { state in
            for index in indexes {
                state.connections[connection - 1].written.append(.init(index: index, at: now))
                if index == state.firstUnwritten { state.firstUnwritten += 1 }
            }
        }
    }

    func update(_ connection: Int, _ change: (inout StreamConnection) -> Void) {
        state.withLock { change(&$0.connections[connection - 1]) }
    }

    /// Marks a connection as ended; the first reason stands.
    func end(_ connection: Int, _ ending: StreamConnection.Ending) {
        state.withLock { state in
            guard state.connections[connection - 1].ending == .open else { return }
            state.connections[connection - 1].ending = ending
            state.connections[connection - 1].endedAt = .now()
        }
    }
}
