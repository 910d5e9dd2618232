import TweetFormat

/// One connection's way through the feed: lines when they are due, keep-alives between, faults when they come.
struct Delivery {
    private let simulator: XSimulator
    private let channel: StreamChannel
    private let socket: StreamSocket
    private let connection: Int
    private let record: StreamRecord
    private let feed: Feed
    private let gzip: GzipStream?
    private var position: Int64
    private var lastWrite = ContinuousClock.now
    private var quietUntil: ContinuousClock.Instant?
    /// The next lines go out in pieces: how many lines, of how many bytes.
    private var pieces: (lines: Int, bytes: Int) = (0, 0)

    /// How long a fault or a line may be late.
    private static let tick = Duration.milliseconds(10)
    private static let batch = 64

    /// - Parameters:
    ///   - simulator: whose faults.
    ///   - channel: whose feed and record.
    ///   - socket: the head of the answer has been sent.
    ///   - connection: its number in the record.
    ///   - first: the line to begin with.
    ///   - gzip: compresses the body; the header has said so.
    init(
        _ simulator: XSimulator, _ channel: StreamChannel, _ socket: StreamSocket, connection: Int, from first: Int64,
        gzip: GzipStream? = nil
    ) {
        self.gzip = gzip
        self.simulator = simulator
        self.socket = socket
        self.connection = connection
        self.channel = channel
        record = channel.record
        feed = channel.feed
        position = first
    }

    /// Delivers until one side closes.
    consuming func run() async {
        do {
            while !socket.clientHasLeft {
                if try await isToEnd() { return }
                if let fault = simulator.faults.nextForConnection() {
                    if try await apply(fault) { return }
                    continue
                }
                if try await deliver() { continue }
                if ContinuousClock.now - lastWrite >= simulator.keepAlive { try await sendKeepAlive() }
                try await Task.sleep(for: min(Self.tick, simulator.keepAlive))
            }
        } catch {
            // A failed write or a cancelled task: either way the connection is over.
        }
        record.end(connection, .client)
        await socket.close(isComplete: false)
        simulator.connectionEnded(channel)
    }

    /// Delivers lines of the past and closes.
    consuming func recover(upTo last: Int64) async {
        do {
            while position < last, !socket.clientHasLeft {
                let end = min(last, position + Int64(Self.batch))
                try await write((position..<end).map(feed.line))
                position = end
            }
        } catch {}
        let ending: StreamConnection.Ending = position < last ? .client : .closed
        record.end(connection, ending)
        await socket.close(isComplete: ending == .closed)
    }

    /// Ends the connection when a newer one or the Connections API has taken its place.
    private mutating func isToEnd() async throws -> Bool {
        let ending = record.ending(of: connection)
        guard ending != .open else { return false }
        if ending == .displaced { try await write(extra: ControlMessage.line("ForceDisconnect")) }
        return await end(ending) { await socket.close(isComplete: false) }
    }

    /// Every body byte goes through here.
    private func send(_ bytes: [UInt8]) async throws {
        try await socket.write(chunk: gzip?.compress(bytes) ?? bytes)
    }

    private mutating func sendKeepAlive() async throws {
        try await send([13, 10])
        record.update(connection) { $0.keepAlives += 1 }
        lastWrite = .now
    }

    /// Writes what is due; returns whether there was something.
    private mutating func deliver() async throws -> Bool {
        if let until = quietUntil {
            guard simulator.clock.instant >= until else { return false }
            quietUntil = nil
        }
        let wanted = min(Self.batch, simulator.faults.linesToNext ?? Self.batch)
        feed.issueDue(position: position, wanted: wanted)
        let end = min(feed.issued, position + Int64(wanted))
        guard position < end else { return false }
        try await write((position..<end).map(feed.line))
        position = end
        return true
    }

    private mutating func write(_ lines: [FeedLine]) async throws {
        let indexes = lines.map(\.index)
        // Until the kernel has all of them, any of them may be cut.
        record.update(connection) { $0.cut = indexes }
        // joined() would go byte by byte, ten times slower than all else here without the optimizer.
        let bytes = lines.reduce(into: [UInt8]()) { $0 += $1.bytes + [13, 10] }
        if pieces.lines > 0 {
            pieces.lines -= lines.count
            for start in stride(from: 0, to: bytes.count, by: pieces.bytes) {
                try await send(Array(bytes[start..<min(start + pieces.bytes, bytes.count)]))
            }
        } else {
            try await send(bytes)
        }
        record.write(indexes, on: connection)
        record.update(connection) { $0.cut = [] }
        simulator.faults.count(lines: lines.count)
        lastWrite = .now
    }

    private mutating func write(extra line: [UInt8]) async throws {
        try await send(line + [13, 10])
        record.update(connection) { $0.extra.append(line) }
        lastWrite = .now
    }
}

extension Delivery {
    /// Does what a fault says; returns whether the connection is over.
    private mutating func apply(_ fault: Fault) async throws -> Bool {
        switch fault.type {
        case .close:
            if let gzip { try await socket.write(chunk: gzip.compress([], isLast: true)) }
            return await end(.closed) { await socket.close(isComplete: true) }
        case .truncate:
            try await writePart(fault.bytes)
            return await end(.closed) { await socket.close(isComplete: true) }
        case .drop:
            try await writePart(fault.bytes)
            return await end(.dropped) { await socket.close(isComplete: false) }
        case .reset:
            try await writePart(fault.bytes)
            return await end(.reset) { await socket.reset() }
        case .stall: try await stall(fault.seconds)
        case .quiet: quietUntil = simulator.clock.instant + .seconds(fault.seconds ?? 60)
        case .control:
            try await write(
                extra: ControlMessage.line(fault.text ?? "OperationalDisconnect", isBare: fault.bare == true))
            try await stall(fault.seconds ?? 0)
            return await end(socket.clientHasLeft ? .client : .closed) { await socket.close(isComplete: true) }
        case .endless: try await writeEndless(fault.bytes)
        case .line: try await write(extra: Array((fault.text ?? "{\"data\": no JSON at all").utf8))
        case .duplicate:
            let last = record.connections[connection - 1].written.suffix(fault.count ?? 10)
            try await write(last.map { feed.line($0.index) })
        case .reorder: try await writeReversed(fault.count ?? 10)
        case .split: pieces = (fault.count ?? 100, max(1, fault.bytes ?? 1))
        case .refuse, .lostAnswer, .slowHeader, .silence, .gzip: break
        }
        return false
    }

    private func end(_ ending: StreamConnection.Ending, _ close: () async -> Void) async -> Bool {
        record.end(connection, ending)
        await close()
        simulator.connectionEnded(channel)
        return true
    }

    /// Writes the beginning of the next line, for which it waits, if there is to be one.
    private func writePart(_ bytes: Int?) async throws {
        feed.issueDue(position: position, wanted: 1)
        while position >= feed.issued, !feed.isFinished, !socket.clientHasLeft {
            try await Task.sleep(for: Self.tick)
            feed.issueDue(position: position, wanted: 1)
        }
        guard position < feed.issued else { return }
        let line = feed.line(position)
        let sent = gzip?.compress(line.bytes) ?? line.bytes
        let part = min(bytes ?? sent.count / 2, sent.count)
        record.update(connection) { $0.cut = [line.index] }
        if part > 0 { try await socket.write(chunk: Array(sent.prefix(part))) }
    }

    private mutating func writeEndless(_ bytes: Int?) async throws {
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)
        record.update(connection) { $0.extra.append(Array(piece.prefix(64))) }
        var left = bytes ?? .max
        while left > 0, !socket.clientHasLeft {
            try await send(Array(piece.prefix(left)))
            left -= min(left, piece.count)
        }
        try await send([13, 10])
        lastWrite = .now
    }

    private func stall(_ seconds: Double?) async throws {
        let end = simulator.clock.instant + .seconds(seconds ?? 86_400)
        while simulator.clock.instant < end, !socket.clientHasLeft { try await Task.sleep(for: Self.tick) }
    }

    private mutating func writeReversed(_ count: Int) async throws {
        let end = position + Int64(count)
        while feed.issued < end, !feed.isFinished, !socket.clientHasLeft {
            feed.issueDue(position: position, wanted: count)
            try await Task.sleep(for: Self.tick)
        }
        let last = min(end, feed.issued)
        try await write((position..<last).reversed().map(feed.line))
        position = last
    }
}
