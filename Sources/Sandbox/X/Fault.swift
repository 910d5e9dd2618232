import Synchronization

/// Something that goes wrong on demand; as JSON the body of `POST /sandbox/faults`.
package struct Fault: Sendable, Codable, Equatable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// Ends the answer and closes the connection (FIN).
        case close
        /// Closes the connection in the middle of the answer, after `bytes` of the next line (default half of it).
        case drop
        /// Resets the connection (SO_LINGER 0) after `bytes` of the next line (default half of it).
        case reset
        /// Ends the answer in due form, but after `bytes` of the next line, or of what it is compressed to (default half).
        case truncate
        /// Writes nothing at all for `seconds` (default: until the client leaves).
        case stall
        /// Writes keep-alives but no lines for `seconds` (default 60).
        case quiet
        /// Writes the message that `text` names (default `OperationalDisconnect`), `bare` without its list, and closes
        /// `seconds` later (default 0).
        case control
        /// Writes one line of `bytes` letters; without `bytes` it never ends.
        case endless
        /// Writes `text` as a line (default: something that is not JSON).
        case line
        /// Writes the last `count` lines once more (default 10).
        case duplicate
        /// Writes the next `count` lines in reverse order (default 10).
        case reorder
        /// Writes the next `count` lines (default 100) in pieces of `bytes` (default 1), each sent on its own.
        case split
        /// Answers the next `count` requests (default 1) to `endpoint` (`stream`, `sample`, `sample10`, `rules`,
        /// `connections`, `search`, `users`, `usage`, `counts`; default any; `bare` without `x-rate-limit-*`) with `answer`.
        case refuse
        /// Does what the next `count` requests (default 1) to `endpoint` ask for, and answers with `answer` all the same.
        case lostAnswer = "lost-answer"
        /// Compresses the next `count` stream answers (default 1), asked for or not.
        case gzip
        /// Sends the header of the next stream answer at one byte in `seconds` (default 1).
        case slowHeader = "slow-header"
        /// Takes the next stream request and never answers.
        case silence
    }

    package var type: Kind
    /// Number of lines, or of requests to an endpoint, before it happens; at once when missing.
    package var after: Int?
    package var count: Int?
    package var bytes: Int?
    package var seconds: Double?
    package var text: String?
    package var bare: Bool?
    package var endpoint: String?
    package var answer: Refusal?

    package init(
        _ type: Kind, after: Int? = nil, count: Int? = nil, bytes: Int? = nil, seconds: Double? = nil,
        text: String? = nil, bare: Bool? = nil, endpoint: String? = nil, answer: Refusal? = nil
    ) {
        self.type = type
        self.after = after
        self.count = count
        self.bytes = bytes
        self.seconds = seconds
        self.text = text
        self.bare = bare
        self.endpoint = endpoint
        self.answer = answer
    }

    var isForRequests: Bool { [.refuse, .lostAnswer, .slowHeader, .silence, .gzip].contains(type) }
    var isRefusal: Bool { [.refuse, .lostAnswer].contains(type) }
}

/// The faults that are yet to happen.
final class FaultQueue: Sendable {
    private let waiting = Mutex<[Fault]>([])

    func add(_ fault: Fault) {
        waiting.withLock { $0.append(fault) }
    }

    func clear() {
        waiting.withLock { $0 = [] }
    }

    var all: [Fault] { waiting.withLock { $0 } }

    /// The next fault of an open connection that is due.
    func nextForConnection() -> Fault? {
        take { !$0.isForRequests && ($0.after ?? 0) == 0 }
    }

    /// The next fault of a stream request that would else be answered.
    func nextForAnswer() -> Fault? {
        take { $0.isForRequests && !$0.isRefusal }
    }

    /// The next refusal of a request to an endpoint.
    func nextRefusal(_ endpoint: String) -> Fault? {
        let isDue = waiting.withLock { waiting in
            guard
                let next = waiting.firstIndex(where: { $0.isRefusal && ($0.endpoint ?? endpoint) == endpoint }),
                let after = waiting[next].after, after > 0
            else { return true }
            waiting[next].after = after - 1
            return false
        }
        return isDue ? take { $0.isRefusal && ($0.endpoint ?? endpoint) == endpoint } : nil
    }

    /// Counts lines that were written for the faults that wait for them.
    func count(lines: Int) {
        waiting.withLock { waiting in
            for index in waiting.indices where !waiting[index].isForRequests {
                waiting[index].after = waiting[index].after.map { max(0, $0 - lines) }
            }
        }
    }

    /// How many lines may be written before a fault is due; nil: any number.
    var linesToNext: Int? {
        waiting.withLock { waiting in waiting.filter { !$0.isForRequests }.compactMap(\.after).min() }
    }

    private func take(_ isDue: (Fault) -> Bool) -> Fault? {
        waiting.withLock { waiting in
            guard let next = waiting.firstIndex(where: isDue) else { return nil }
            let fault = waiting[next]
            let left = fault.isForRequests ? (fault.count ?? 1) - 1 : 0
            if left > 0 { waiting[next].count = left } else { waiting.remove(at: next) }
            return fault
        }
    }
}
