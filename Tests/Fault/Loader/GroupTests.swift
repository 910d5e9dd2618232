import Glibc
import Sandbox
import Testing

/// Several loaders of one group, with each way to share partitions.
@Suite(.timeLimit(.minutes(4))) struct GroupTests {
    @Test(arguments: ["range", "cooperative-sticky"])
    func partitionsAreHandedOverByEitherProtocol(assignor: String) throws {
        let bench = try LoaderBench()
        try bench.noteInsertions()
        let options = ["-X", "partition.assignment.strategy=\(assignor)"]
        try bench.start("first", options)
        #expect(bench.wait { bench.number("SELECT count(*) FROM loader_offsets") == 5 })
        try bench.start("second", options)
        #expect(bench.wait { bench.number("SELECT count(DISTINCT owner) FROM loader_offsets") == 2 })
        try bench.publish(1...300)
        try bench.expectAll(300)
        #expect(bench.end("second"))
        try bench.publish(301...600)
        try bench.expectAll(600)
        #expect(bench.end("first"))
    }

    /// A loader with a name of its own (group.instance.id) that is killed and started again goes on. That the others notice
    /// nothing is Kafka's doing, which the mock cluster does not imitate.
    @Test func aStaticMemberThatWasKilledReturns() throws {
        let bench = try LoaderBench()
        try bench.noteInsertions()
        let options = ["-X", "group.instance.id=one"]
        try bench.start("first", options)
        try bench.publish(1...100)
        try bench.expectAll(100)
        bench.loader("first")?.kill()
        try bench.start("again", options)
        try bench.publish(101...300)
        try bench.expectAll(300)
        #expect(bench.number("SELECT max(fence) FROM loader_offsets") > 1)
        #expect(bench.end("again"))
    }

    /// Loaders on one host have different names without settings, and one that was killed gets its own again.
    @Test func eachMemberHasANameThatARestartKeeps() throws {
        let bench = try LoaderBench()
        let names = { (loader: String) in
            bench.logged(loader).split(whereSeparator: \.isWhitespace).filter { $0.hasPrefix("member=") }.sorted()
        }
        let several = ["WRITERS": "2"]
        try bench.start("first", environment: several)
        #expect(bench.wait { names("first").count == 2 }, "\(bench.logged("first"))")
        try bench.start("second", environment: several)
        #expect(bench.wait { names("second").count == 2 }, "\(bench.logged("second"))")
        #expect(Set(names("first") + names("second")).count == 4)
        bench.loader("first")?.kill()
        try bench.start("again", environment: several)
        #expect(bench.wait { names("again").count == 2 }, "\(bench.logged("again"))")
        #expect(names("again") == names("first"))
        #expect(bench.end("again"))
        #expect(bench.end("second"))
    }

    /// Heartbeat answers that another member has the same group.instance.id: librdkafka's client is of no use any more.
    @Test func afterAFatalErrorOfTheClientTheGroupIsJoinedAnew() throws {
        let kafka = try KafkaSandbox(topics: ["tweets": 4, "tweets.events": 1])
        let bench = try LoaderBench(kafka: kafka, servers: kafka.bootstrapServers)
        try bench.noteInsertions()
        let loader = try bench.start("loader", ["-X", "group.instance.id=one"])
        try bench.publish(1...100)
        try bench.expectAll(100)
        kafka.fail(request: 12, with: [82])
        #expect(bench.wait { bench.logged().contains("rejoining Kafka's group") }, "\(bench.logged())")
        #expect(bench.logged().contains("under this loader's name; going on without a name"), "\(bench.logged())")
        try bench.publish(101...200)
        try bench.expectAll(200)
        #expect(loader.exit == nil)
    }
}
