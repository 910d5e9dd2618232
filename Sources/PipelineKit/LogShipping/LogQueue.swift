import Synchronization

/// Where events wait for the receiver: in memory, or in files. Bounded in bytes; the oldest events make room for new ones.
///
/// Any thread appends; the thread that sends calls everything else.
protocol LogQueue: Sendable {
    /// Whether events that were not confirmed are there for the next start.
    var isDurable: Bool { get }
    /// What waits.
    var pending: (events: Int64, bytes: Int) { get }
    /// Adds an event; never waits for a network.
    func append(_ line: String)
    /// Takes events out, in their order; what was taken is not dropped for lack of room.
    ///
    /// - Parameters:
    ///   - bytes: at most; one event is taken in any case.
    ///   - count: at most.
    ///   - newest: whether the newest events are wanted, not the oldest; a queue in files always gives the oldest.
    /// - Returns: the events; none when there is none, or when none can be read now.
    func take(bytes: Int, count: Int, newest: Bool) -> [ShippedEvent]
    /// Events up to this number are settled: they need not be sent again by the next start.
    func confirm(through number: Int64)
}

/// A queue in memory.
final class MemoryQueue: LogQueue {
    fileprivate struct State {
        /// Events before `head` were taken or dropped.
        var lines: [String] = []
        var head = 0
        var bytes = 0
        /// The number of the oldest event.
        var first: Int64 = 1
    }

    /// What an event needs beside its text: the string's object and its place in the array.
    static let overhead = 64

    private let state = Mutex(State())
    private let limit: Int
    private let counts: ShippingCounts

    /// - Parameters:
    ///   - limit: bytes of all events.
    ///   - counts: gets the drops.
    init(limit: Int, counts: ShippingCounts) {
        (self.limit, self.counts) = (limit, counts)
    }

    var isDurable: Bool { false }

    var pending: (events: Int64, bytes: Int) {
        state.withLock { (Int64($0.lines.count - $0.head), $0.bytes) }
    }

    func append(_ line: String) {
        let dropped = state.withLock { state in
            state.lines.append(line)
            state.bytes += line.utf8.count + Self.overhead
            var dropped: Int64 = 0
            while state.bytes > limit, state.head < state.lines.count {
                state.removeOldest()
                dropped += 1
            }
            return dropped
        }
        counts.dropped[.queueFull].add(dropped)
    }

    func take(bytes: Int, count: Int, newest: Bool) -> [ShippedEvent] {
        state.withLock { newest ? $0.takeNewest(bytes, count) : $0.takeOldest(bytes, count) }
    }

    /// Nothing is left of what was taken.
    func confirm(through number: Int64) {}
}

extension MemoryQueue.State {
    fileprivate mutating func removeOldest() {
        bytes -= lines[head].utf8.count + MemoryQueue.overhead
        // Frees the text; the place goes with many others.
        lines[head] = ""
        head += 1
        first += 1
        if head >= 1024, head * 2 >= lines.count {
            lines.removeFirst(head)
            head = 0
        }
    }

    fileprivate mutating func takeOldest(_ most: Int, _ count: Int) -> [ShippedEvent] {
        var (events, size): ([ShippedEvent], Int) = ([], 0)
        while head < lines.count, events.count < count {
            let line = lines[head]
            size += line.utf8.count
            if size > most, !events.isEmpty { break }
            events.append(ShippedEvent(number: first, line: line))
            removeOldest()
        }
        return events
    }

    fileprivate mutating func takeNewest(_ most: Int, _ count: Int) -> [ShippedEvent] {
        var (start, size) = (lines.count, 0)
        while start > head, lines.count - start < count {
            size += lines[start - 1].utf8.count
            if size > most, start < lines.count { break }
            start -= 1
        }
        let number = first + Int64(start - head)
        let events = lines[start...].enumerated().map { ShippedEvent(number: number + Int64($0), line: $1) }
        for event in events { bytes -= event.bytes + MemoryQueue.overhead }
        lines.removeLast(lines.count - start)
        return events
    }
}
