import Glibc
import Sandbox
import TestSupport
import Testing

/// Several loaders of one group, with each way to share partitions.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct GroupTests {
    @Test(arguments: ["range", "cooperative-sticky"])
    func partitionsAreHandedOverByEitherProtocol(assignor: String) throws {
        let loaders = try LoaderRun()
        try loaders.noteInsertions()
        let options = ["-X", "partition.assignment.strategy=\(assignor)"]
        try loaders.start("first", options)
        #expect(loaders.wait { loaders.number("SELECT count(*) FROM loader_offsets") == 5 })
        try loaders.start("second", options)
        #expect(loaders.wait { loaders.number("SELECT count(DISTINCT owner) FROM loader_offsets") == 2 })
        try loaders.publish(1...300)
        try loaders.expectAll(300)
        #expect(loaders.end("second"))
        try loaders.publish(301...600)
        try loaders.expectAll(600)
        #expect(loaders.end("first"))
    }

    /// The coordinator is there, and never says who has which partitions: as when another member hangs.
    @Test("a group that does not answer is in log and status after 30 s, until it answers")
    func aGroupThatDoesNotAnswer() throws {
        let kafka = try KafkaSandbox(topics: ["tweets": 1, "tweets.events": 1])
        let loaders = try LoaderRun(kafka: kafka, servers: kafka.bootstrapServers)
        // JoinGroup: the coordinator is loading. A client asks again at once.
        kafka.fail(request: 11, with: Array(repeating: 14, count: 100_000))
        try loaders.publish(1...10)
        try loaders.start()
        let shown = { try loaders.run(["status"]).contains("problem: Kafka's group has not answered") }
        #expect(loaders.wait { try shown() }, "\(loaders.logged())")
        #expect(loaders.stored == 0)
        kafka.succeed(request: 11)
        try loaders.expectAll(10)
        #expect(loaders.wait { try !shown() }, "\(loaders.logged())")
        let warning = "Kafka's group does not answer which partitions are this loader's; waiting"
        #expect(loaders.logged().components(separatedBy: warning).count == 2, "\(loaders.logged())")
    }

    /// A loader with a name of its own (group.instance.id) that is killed and started again goes on. That the others notice
    /// nothing is Kafka's doing, which the mock cluster does not imitate.
    @Test func aStaticMemberThatWasKilledReturns() throws {
        let loaders = try LoaderRun()
        try loaders.noteInsertions()
        let options = ["-X", "group.instance.id=one"]
        try loaders.start("first", options)
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        loaders.loader("first")?.kill()
        try loaders.start("again", options)
        try loaders.publish(101...300)
        try loaders.expectAll(300)
        #expect(loaders.number("SELECT max(fence) FROM loader_offsets") > 1)
        #expect(loaders.end("again"))
    }

    /// Loaders on one host have different names without settings, and one that was killed gets its own again.
    @Test func eachMemberHasANameThatARestartKeeps() throws {
        let loaders = try LoaderRun()
        let names = { (loader: String) in
            loaders.logged(loader).split(whereSeparator: \.isWhitespace).filter { $0.hasPrefix("member=") }.sorted()
        }
        let several = ["WRITERS": "2"]
        try loaders.start("first", environment: several)
        #expect(loaders.wait { names("first").count == 2 }, "\(loaders.logged("first"))")
        try loaders.start("second", environment: several)
        #expect(loaders.wait { names("second").count == 2 }, "\(loaders.logged("second"))")
        #expect(Set(names("first") + names("second")).count == 4)
        loaders.loader("first")?.kill()
        try loaders.start("again", environment: several)
        #expect(loaders.wait { names("again").count == 2 }, "\(loaders.logged("again"))")
        #expect(names("again") == names("first"))
        #expect(loaders.end("again"))
        #expect(loaders.end("second"))
    }

    /// Of two busy loaders with one name, each finds the partitions claimed by the other before Kafka expels it.
    @Test func aLoaderThatLosesItsPartitionsTwiceContinuesWithoutItsName() throws {
        let loaders = try LoaderRun()
        try loaders.noteInsertions()
        let loader = try loaders.start()
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        let message = "another loader repeatedly claims the partitions of this one; continuing without a name"
        for round in 1...2 as ClosedRange<Int64> {
            #expect(!loaders.logged().contains(message), "\(loaders.logged())")
            try loaders.query("UPDATE loader_offsets SET fence = fence + 1, owner = 'other'")
            try loaders.publish(round * 100 + 1...round * 100 + 100)
            try loaders.expectAll(round * 100 + 100)
        }
        #expect(loaders.logged().contains(message), "\(loaders.logged())")
        #expect(loader.exit == nil)
        #expect(loaders.wait { try loaders.run(["status"]).contains("problem: a different process probably is") })
    }

    /// Heartbeat answers that another member has the same group.instance.id: librdkafka's client is of no use any more.
    @Test func afterAFatalErrorOfTheClientTheGroupIsJoinedAnew() throws {
        let kafka = try KafkaSandbox(topics: ["tweets": 4, "tweets.events": 1])
        let loaders = try LoaderRun(kafka: kafka, servers: kafka.bootstrapServers)
        try loaders.noteInsertions()
        let loader = try loaders.start("loader", ["-X", "group.instance.id=one"])
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        kafka.fail(request: 12, with: [82])
        #expect(loaders.wait { loaders.logged().contains("rejoining Kafka's group") }, "\(loaders.logged())")
        #expect(loaders.logged().contains("under this loader's name; continuing without a name"), "\(loaders.logged())")
        try loaders.publish(101...200)
        try loaders.expectAll(200)
        #expect(loader.exit == nil)
        let problem =
            "problem: FENCED_INSTANCE_ID: a different process has joined Kafka's group as 'one': give each host"
        #expect(loaders.wait { try loaders.run(["status"]).contains(problem) }, "\(loaders.logged())")
    }
}
