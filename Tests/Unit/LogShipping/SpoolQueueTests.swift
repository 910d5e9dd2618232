import Glibc
import TestSupport
import Testing

@testable import Core
@testable import LogShipping

/// The queue in files: what is appended is there for the next start, once.
@Suite(.timeLimit(.minutes(5))) struct SpoolQueueTests {
    private let folder: TemporaryFolder
    private let counts = ShippingCounts()

    init() throws {
        folder = try TemporaryFolder()
    }

    private func open(limit: Int = 1 << 20) throws -> SpoolQueue {
        try SpoolQueue(folder.path + "/spool", limit: limit, counts: counts)
    }

    private static func line(_ number: Int) -> String {
        "{\"n\":\(number),\"p\":\"\(String(repeating: "ü", count: 40))\"}"
    }

    private func append(_ numbers: ClosedRange<Int>, to queue: SpoolQueue) {
        for number in numbers { queue.append(Self.line(number)) }
    }

    /// Everything that can be taken.
    private func rest(_ queue: SpoolQueue, count: Int = 1000) -> [ShippedEvent] {
        var all: [ShippedEvent] = []
        while true {
            let events = queue.take(bytes: 512 << 10, count: count, newest: true)
            if events.isEmpty { return all }
            all += events
        }
    }

    @Test func whatIsConfirmedIsNotThereForTheNextStart() throws {
        do {
            let queue = try open()
            append(1...100, to: queue)
            #expect(queue.pending.events == 100 && queue.unconfirmed == 100)
            let first = queue.take(bytes: 1 << 20, count: 30, newest: false)
            #expect(first.map(\.number) == Array(1...30) && first[29].line == Self.line(30))
            #expect(queue.pending.events == 70 && queue.unconfirmed == 100)
            queue.confirm(through: 20)
            queue.confirm(through: 10)
            #expect(queue.unconfirmed == 80)
        }
        let queue = try open()
        #expect(queue.pending.events == 80 && queue.unconfirmed == 80)
        queue.append(Self.line(101))
        let all = rest(queue, count: 7)
        #expect(all.map(\.number) == Array(21...101))
        #expect(all.map(\.line) == (21...101).map(Self.line))
        #expect(queue.pending.events == 0 && queue.pending.bytes == 0)
        queue.confirm(through: 101)
        #expect(queue.unconfirmed == 0 && counts.allDropped == 0)
    }

    @Test func numbersGoOnWhenTheFilesWereDeleted() throws {
        do {
            let queue = try open()
            append(1...5, to: queue)
            queue.confirm(through: 5)
            queue.folder.remove(1)
        }
        let queue = try open()
        queue.append(Self.line(6))
        #expect(rest(queue).map(\.number) == [6])
    }

    @Test func theOldestFilesMakeRoomAndTheirEventsAreCounted() throws {
        let queue = try open(limit: 64 << 10)
        append(1...200, to: queue)
        #expect(rest(queue).count == 200)
        append(201...5000, to: queue)
        let files = try queue.folder.files()
        #expect(files.reduce(0) { $0 + $1.bytes } <= 64 << 10 && files.count == 4)
        let left = rest(queue)
        #expect(left.map(\.number) == Array(files[0].first...5000))
        #expect(counts.dropped[.queueFull].value == Double(4800 - left.count))
        #expect(left.last?.line == Self.line(5000))
    }

    @Test("half an event that a crash or a full disk has left is not sent, and breaks nothing")
    func halfAnEvent() throws {
        do { append(1...3, to: try open()) }
        let path = folder.path + "/spool/events-0000000000000000001.log"
        try JournalFile(appendingTo: path).append(text: "{\"half\":\"an ev")
        let queue = try open()
        queue.append(Self.line(4))
        #expect(rest(queue).map(\.line) == (1...4).map(Self.line))
    }

    @Test func aDamagedMarkMeansThatEverythingIsSentAgain() throws {
        do {
            let queue = try open()
            append(1...3, to: queue)
            queue.confirm(through: 3)
        }
        try folder.write("x", to: "spool/sent")
        #expect(rest(try open()).count == 3)
    }

    @Test func oneProcessHasASpool() throws {
        let queue = try open()
        queue.append(Self.line(1))
        do {
            _ = try open()
            Issue.record("two have the spool")
        } catch let error as FileError { #expect(error.code == EWOULDBLOCK) }
    }

    @Test func aCrashIsFoundOnce() throws {
        let source = EventSource(service: "s", host: "h")
        do {
            let queue = try open()
            #expect(CrashReport.find(in: queue.folder, [:]) == nil)
            CrashReport.begin(in: queue.folder)
            queue.append(source.line(level: "info", "last", [], time: Timestamp(milliseconds: 1000)))
        }
        let queue = try open()
        let environment = ["SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "SEGV"]
        let report = try #require(CrashReport.find(in: queue.folder, environment))
        let parts = EventParts(report.line(source))
        let found = Dictionary(uniqueKeysWithValues: parts.attributes.map { ($0.name, $0.value) })
        #expect(found["pid"] == .integer(Int64(getpid())))
        #expect(found["last_event_at"] == .string("1970-01-01T00:00:01.000Z"))
        #expect(found["service_result"] == .string("signal") && found["exit_status"] == .string("SEGV"))
        #expect(parts.level == "critical" && parts.message == "the previous run of the service has crashed")
        CrashReport.end(in: queue.folder)
        #expect(CrashReport.find(in: queue.folder, [:]) == nil)
    }
}
