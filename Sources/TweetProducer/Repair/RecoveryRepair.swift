import CCurl
import Core
import HTTP
import Journal
import TweetFormat
import XAPI

/// Fills gaps by a connection of its own to which X sends a window of the past (X: "Recovery and redundancy").
struct RecoveryRepair {
    let settings: StreamSettings
    let budget: ConnectBudget
    let stop: Stop
    let deliver: (JournalChunk) -> ChunkDelivery

    /// Takes the lines out of what comes, on the thread that runs the transfer.
    private final class Collector {
        var framer: LineFramer
        var lines: [[UInt8]] = []
        var posts: Int64 = 0
        var bytes: Int64 = 0
        var hasBegun = false
        var control: StreamControl?
        var tooLong = 0

        init(limit: Int) {
            framer = LineFramer(limit: limit)
        }

        func take(_ chunk: UnsafeRawBufferPointer) -> Bool {
            bytes += Int64(chunk.count)
            unsafe framer.feed(chunk) { found in
                switch unsafe found {
                case .keepAlive: break
                case .tooLong: tooLong += 1
                case .line(let line): unsafe take(line: line)
                }
            }
            return true
        }

        /// Takes the rest of a body that has ended in due form.
        func takeRest() {
            unsafe framer.finish(StreamMessage.isWhole) { found in
                if case .line(let line) = unsafe found { unsafe take(line: line) }
            }
        }

        private func take(line: UnsafeRawBufferPointer) {
            unsafe lines.append(Array(line))
            switch unsafe StreamMessage(line: line) {
            case .post: posts += 1
            case .control(let message): if message.reaction != .goOn { control = control ?? message }
            case .unknown: break
            }
        }
    }

    /// Reads the window to its end, which X marks by closing the connection.
    ///
    /// - Parameters:
    ///   - job: the window.
    ///   - connection: marks the lines.
    /// - Returns: what it came to.
    func run(_ job: RepairPlan.Job, connection: Int64) -> RepairOutcome {
        var outcome = RepairOutcome()
        while case let wait = budget.takeAttempt(at: .now()), wait > .zero, !stop.isRaised { stop.wait(for: wait) }
        let collector = Collector(limit: settings.lineLimit)
        do {
            try read(job, collector, connection, &outcome)
        } catch let error as CurlError {
            outcome.fail("\(error.cause): \(error)")
        } catch {
            outcome.fail("\(error)")
        }
        outcome.posts = collector.posts
        return outcome
    }

    private func read(
        _ job: RepairPlan.Job, _ collector: Collector, _ connection: Int64, _ outcome: inout RepairOutcome
    ) throws {
        let stream = unsafe HTTPAnswer.Stream(
            isJSON: true, begin: { collector.hasBegun = true }, take: { unsafe collector.take($0) })
        var transfer = try CurlTransfer(answer: HTTPAnswer(bodyLimit: 64 << 10, stream: stream))
        try transfer.prepare(
            HTTPRequest(
                url: StreamConnection.url(settings, SearchRepair.window(job)), token: try settings.x.token.read(),
                caFile: settings.x.caFile, connectTimeout: settings.x.connectTimeout))
        let multi = try CurlMulti()
        let registration = stop.onRaise { [waker = multi.waker] in waker.wake() }
        defer { registration.end() }
        try multi.add(transfer)
        defer { multi.remove(transfer) }
        var watch = StreamWatch(connectTimeout: settings.x.connectTimeout, stallTimeout: settings.stallTimeout)
        var waited = Duration.zero
        while true {
            try multi.perform()
            let result = multi.takeResult()
            if result == CURLE_OK { collector.takeRest() }
            let delivery = handOver(collector, connection)
            guard delivery == .durable else { return outcome.fail(delivery) }
            let left = watch.timeLeft(
                in: collector.hasBegun ? .stream : .answer, bytes: collector.bytes, waited: waited)
            if let result { return finish(transfer, collector, transfer.error(result), &outcome) }
            if stop.isRaised { return outcome.fail("the service is stopping") }
            if left <= .zero { return outcome.fail("X sent nothing for too long") }
            let before = ContinuousClock.now
            try multi.poll(timeout: left)
            waited = before.duration(to: .now)
        }
    }

    private func handOver(_ collector: Collector, _ connection: Int64) -> ChunkDelivery {
        guard !collector.lines.isEmpty else { return .durable }
        defer { collector.lines.removeAll() }
        return deliver(JournalChunk(lines: collector.lines, connection: connection))
    }

    private func finish(
        _ transfer: borrowing CurlTransfer, _ collector: Collector, _ error: CurlError, _ outcome: inout RepairOutcome
    ) {
        if !collector.hasBegun || transfer.answer.isPage {
            guard transfer.answer.isHeaderComplete else { return outcome.fail("\(error)") }
            return outcome.fail(transfer.answer.problem.description)
        }
        if let control = collector.control {
            outcome.fail("X closed the connection: \(control.cause)")
        } else if error.code != 0 {
            outcome.fail("the connection was lost: \(error)")
        } else if collector.tooLong > 0 {
            outcome.fail("\(collector.tooLong) lines were over the limit (X_LINE_LIMIT)")
        }
    }
}
