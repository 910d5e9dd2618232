import Foundation
import Harness
import Synchronization
import TestSupport

@testable import Core
@testable import LogShipping

/// An event as a receiver of json-lines sees it.
struct ReceivedEvent: Decodable, Sendable {
    let message: String
    let level: String
    let service: String
    let logger: String?
    /// The number that a test has given it.
    let n: Int?
    let dropped: Int?
    let error: String?
    let pid: Int32?
    let serviceResult: String?

    private enum CodingKeys: String, CodingKey {
        case message, level, service, logger, n, dropped, error, pid
        case serviceResult = "service_result"
    }

    /// The events of a body.
    static func all(in body: String) -> [ReceivedEvent] {
        body.split(separator: "\n").compactMap { try? JSONDecoder().decode(Self.self, from: Data($0.utf8)) }
    }
}

/// A receiver on the loopback that keeps what it accepts.
final class LogReceiver: Sendable {
    /// What a request is answered with; nil: nothing, and the connection ends.
    typealias Answer = (status: Int, headers: String, body: String)

    private let accepted: AcceptedEvents
    let server: ScriptedServer

    /// - Parameter answer: by default 200; it may block.
    /// - Throws: when there is no port.
    init(_ answer: @escaping @Sendable (ScriptedServer.Connection) -> Answer? = { _ in (200, "", "") }) throws {
        let accepted = AcceptedEvents()
        self.accepted = accepted
        server = try ScriptedServer { connection in
            guard let answer = answer(connection) else { return }
            if (200..<300).contains(answer.status) { accepted.add(ReceivedEvent.all(in: connection.body)) }
            connection.answer(answer.status, answer.body, headers: answer.headers)
        }
    }

    /// A URL where nobody listens.
    static let nowhere = "http://127.0.0.1:1/ingest"

    var url: String { server.url + "/ingest" }
    /// What was accepted so far, in order.
    var events: [ReceivedEvent] { accepted.events.withLock { $0 } }
    /// The numbers of these, without events that have none.
    var numbers: [Int] { events.compactMap(\.n) }
    /// How many drops were announced.
    var announced: Int { events.reduce(0) { $0 + ($1.dropped ?? 0) } }
}

private final class AcceptedEvents: Sendable {
    let events = Mutex<[ReceivedEvent]>([])

    func add(_ new: [ReceivedEvent]) { events.withLock { $0 += new } }
}

/// A shipper with its thread, fed by a test in place of loggers.
final class ShipperRun {
    let counts: ShippingCounts
    let queue: any LogQueue
    private let shipper: LogShipper
    private var thread: JoinableThread?

    /// - Parameters:
    ///   - url: of the receiver.
    ///   - spool: a folder; nil: a queue in memory.
    ///   - change: of the settings.
    /// - Throws: `FileError` when the spool cannot be used.
    init(_ url: String, spool: String? = nil, _ change: (inout LogShippingSettings) throws -> Void = { _ in }) throws {
        var settings = LogShippingSettings(url: url)
        settings.limits.linger = .milliseconds(20)
        // libcurl would use a proxy of the environment.
        settings.proxy = ""
        try change(&settings)
        let counts = ShippingCounts()
        self.counts = counts
        queue =
            try spool.map { try SpoolQueue($0, limit: settings.spoolBytes, counts: counts) }
            ?? MemoryQueue(limit: settings.queueBytes, counts: counts)
        let shipper = LogShipper(settings, queue, counts, EventSource(service: "test", host: "h"))
        self.shipper = shipper
        thread = JoinableThread(name: "log-shipping") { shipper.run() }
    }

    deinit { end() }

    /// Logs messages with numbers.
    func log(_ numbers: ClosedRange<Int>, padding: Int = 0) {
        let more = padding > 0 ? ",\"padding\":\"\(String(repeating: "x", count: padding))\"" : ""
        for number in numbers {
            shipper.take(
                "{\"time\":\"\(Timestamp.now())\",\"level\":\"info\",\"logger\":\"test\",\"message\":\"numbered\","
                    + "\"n\":\(number)\(more)}")
        }
    }

    /// Logs a line as it is.
    func log(line: String) { shipper.take(line) }

    var shipped: Int { Int(counts.shipped.value) }
    func dropped(_ reason: LogDropReason) -> Int { Int(counts.dropped[reason].value) }

    /// Ends as a process does.
    func end(lastWord: String? = nil, isHurried: Bool = false) {
        guard let thread = thread.take() else { return }
        shipper.end(lastWord: lastWord)
        shipper.waitForEnd { isHurried }
        thread.join()
        shipper.reportRest()
    }
}

/// Something that a server waits for until a test lets it go on.
final class Gate: Sendable {
    private let isOpen = Atomic(false)
    private let signal = Signal()

    func open() {
        isOpen.store(true, ordering: .releasing)
        signal.notify()
    }

    func pass() {
        signal.wait(until: .now + .seconds(90)) { isOpen.load(ordering: .acquiring) }
    }
}
