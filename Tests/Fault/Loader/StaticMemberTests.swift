import Harness
import Sandbox
import TestSupport
import Testing

/// Names in Kafka's group (KIP-345) on a real broker: the mock cluster treats a member with a name like any other.
///
/// The session lasts longer than any of these tests waits, so what continues earlier does so by the name.
@Suite(
    .enabled(if: Broker.isReal, "needs the broker of TEST_KAFKA_BOOTSTRAP_SERVERS"), .serialized, .ownThreads,
    .timeLimit(.minutes(5)))
struct StaticMemberTests {
    /// Well below the session, and above what a slow broker needs for a group.
    private static let limit = Duration.seconds(45)
    private static let options = ["-X", "session.timeout.ms=60000", "-X", "heartbeat.interval.ms=500"]
    private let loaders: LoaderRun

    init() throws {
        let broker = try Broker(partitions: 4)
        loaders = try LoaderRun(kafka: broker, servers: broker.servers, topic: broker.topic)
        try loaders.noteInsertions()
    }

    /// Waits until each of two loaders has claimed partitions; the loaders start one after the other.
    private func startTwo(_ options: [String] = []) throws {
        for (name, owners) in [("first", 1), ("second", 2)] {
            try loaders.start(name, Self.options + ["--group", loaders.topic] + options)
            let isThere = loaders.wait {
                loaders.number("SELECT count(DISTINCT owner) FROM loader_offsets") == Int64(owners)
            }
            #expect(isThere, "\(loaders.logged(name))")
        }
    }

    /// How often the group has changed for a loader.
    private func changes(_ name: String) -> Int {
        loaders.logged(name).split(separator: "\n").count { $0.contains("Kafka's group changed") }
    }

    /// Publishes and awaits lines; returns how long that took.
    private func load(_ numbers: ClosedRange<Int64>) throws -> Duration {
        let begin = ContinuousClock.now
        try loaders.publish(numbers)
        try loaders.expectAll(numbers.upperBound)
        return ContinuousClock.now - begin
    }

    @Test func aKilledLoaderHasItsPartitionsBackBeforeItsSessionEnds() throws {
        try startTwo()
        _ = try load(1...200)
        let before = changes("second")
        loaders.loader("first")?.kill()
        let begin = ContinuousClock.now
        try loaders.start("again", Self.options + ["--group", loaders.topic])
        _ = try load(201...400)
        let recovery = ContinuousClock.now - begin
        print("recovery of a killed loader: \(recovery)")
        #expect(recovery < Self.limit, "\(loaders.logged("again"))")
        #expect(changes("second") == before, "the other loader notices nothing")
        #expect(changes("again") == 1, "\(loaders.logged("again"))")
        #expect(loaders.end("again"))
        #expect(loaders.end("second"))
    }

    @Test func aLoaderThatEndsGivesItsPartitionsAwayAtOnce() throws {
        try startTwo()
        _ = try load(1...200)
        #expect(loaders.end("first"))
        #expect(try load(201...400) < Self.limit)
        #expect(loaders.end("second"))
    }

    /// The one whose heartbeat Kafka answers first, or that has its partitions claimed twice before.
    @Test func ofTwoLoadersWithOneNameOneContinuesWithoutIt() throws {
        let options = ["--group", loaders.topic, "-X", "group.instance.id=one", "-X", "session.timeout.ms=10000"]
        for name in ["first", "second"] { try loaders.start(name, Self.options + options) }
        let logs = { loaders.logged("first") + loaders.logged("second") }
        #expect(loaders.wait { logs().contains("; continuing without a name") }, "\(logs())")
        #expect(logs().contains("name=one"))
        #expect(try load(1...400) < Self.limit)
        #expect(loaders.loader("first") != nil && loaders.loader("second") != nil)
        #expect(loaders.end("first"))
        #expect(loaders.end("second"))
    }
}
