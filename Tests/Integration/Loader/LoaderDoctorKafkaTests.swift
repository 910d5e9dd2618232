import Core
import Harness
import KafkaClient
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// What `tweet-loader doctor` finds in Kafka's group and in offsets.
///
/// The mock cluster does not describe groups (protocol guide, DescribeGroups), so `KafkaFront` answers for it; what librdkafka makes of
/// the answer is tested, and not what a broker writes into it. Asked without the front, the mock cluster leaves the client hanging.
@Suite("Loader: doctor finds in Kafka", .ownThreads, .timeLimit(.minutes(4)))
struct LoaderDoctorKafkaTests {
    private static let nobody = "postgresql://tweets@127.0.0.1:1/tweets"
    private let kafka: KafkaSandbox

    init() throws {
        kafka = try KafkaSandbox(topics: ["tweets": 1, "tweets.events": 1])
    }

    private func settings(_ servers: String, _ url: String = nobody, member: String? = nil) throws -> LoaderSettings {
        var properties = ["bootstrap.servers": KafkaConfiguration.Property(servers, from: "test")]
        properties["group.instance.id"] = member.map { .init($0, from: "test") }
        return LoaderSettings(
            conninfo: try PostgresConninfo(url), kafka: KafkaConfiguration(properties), topic: "tweets")
    }

    private func stranger(_ name: String?, _ host: String = "192.0.2.7") -> KafkaFront.Member {
        KafkaFront.Member(name: name, client: "tweet-loader", host: host)
    }

    @Test("the same name twice in the group")
    func names() throws {
        let front = try KafkaFront(kafka.bootstrapServers)
        front.groupMembers = [stranger("a"), stranger("b"), stranger("a", "192.0.2.8"), stranger(nil), stranger(nil)]
        let found = GroupDoctor(try settings(front.servers)).finding
        #expect(found.status == .fail && found.remedy == GroupMembership.nameRemedy, "\(found)")
        #expect(found.detail.hasSuffix("share a group.instance.id: a (192.0.2.7, 192.0.2.8)"), "\(found)")
        front.groupMembers = [stranger("a"), stranger("b"), stranger(nil), stranger(nil)]
        let fine = GroupDoctor(try settings(front.servers)).finding
        #expect(fine == .ok("members", "4 members, each with a name of its own or none"), "\(fine)")
        front.groupMembers = []
        #expect(GroupDoctor(try settings(front.servers)).finding.status == .ok)
    }

    @Test("a different host with the name of this one, and a loader of this host with it")
    func nameOfThisHost() throws {
        let front = try KafkaFront(kafka.bootstrapServers)
        let settings = try settings(front.servers)
        let name = MemberNames.name(host: LoaderSettings.hostName, topic: "tweets", number: 1)
        front.groupMembers = [stranger(name)]
        let found = GroupDoctor(settings).finding
        #expect(found.status == .warn && found.detail.hasSuffix("\(name) (tweet-loader, 192.0.2.7)"), "\(found)")
        let names = try #require(MemberNames(settings, count: 1))
        #expect(names.names == [name] && GroupDoctor(settings).finding.status == .ok)
        withExtendedLifetime(names) {}
    }

    @Test("a name that the user has set, where no loader of this host runs")
    func nameOfTheUser() throws {
        let database = try TestDatabase()
        let front = try KafkaFront(kafka.bootstrapServers)
        let settings = try settings(front.servers, database.url, member: "berlin")
        front.groupMembers = [stranger("berlin-2"), stranger("berlin-east")]
        let found = GroupDoctor(settings).finding
        #expect(found.status == .warn && found.detail.hasSuffix(": berlin-2 (tweet-loader, 192.0.2.7)"), "\(found)")
        try database.query("INSERT INTO loaders (owner) VALUES ($1 || '/7/x')", [LoaderSettings.hostName])
        #expect(GroupDoctor(settings).finding.status == .ok)
    }

    @Test("members are asked for on request only")
    func onRequest() throws {
        let front = try KafkaFront(kafka.bootstrapServers)
        front.groupMembers = [stranger("a")]
        for arguments in [[], ["--probe"]] {
            var command = ChildCommand(try siblingExecutable("tweet-loader"), ["doctor"] + arguments)
            command.environment = ["DATABASE_URL": Self.nobody, "KAFKA_BOOTSTRAP_SERVERS": front.servers]
            let ended = try ChildProcess.run(command)
            let isListed = ended.output.contains("ok      members")
            #expect(ended.exit == .status(69) && isListed == !arguments.isEmpty, "\(ended)")
        }
    }

    /// Writes more than the mock cluster keeps, which is 5 MiB a partition.
    private func overfill() throws {
        let producer = try KafkaProducer(
            KafkaConfiguration(bootstrapServers: kafka.bootstrapServers), logger: LogRecorder().logger)
        var random = SplitMix64(seed: 1)
        let value = (0..<900_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        for number in 1...10 as ClosedRange<Int64> {
            try unsafe value.withUnsafeBytes { bytes in
                try unsafe producer.enqueue(
                    topic: "tweets", key: UnsafeRawBufferPointer(rebasing: bytes[..<8]), value: bytes,
                    headers: TestLines.headers(number), id: number)
            }
        }
        var acknowledged = 0
        let isWritten = eventually {
            acknowledged += producer.poll(timeout: .milliseconds(100)).count { $0.error == nil }
            return acknowledged == 10
        }
        try #require(isWritten)
    }

    @Test("a hole ahead, a topic that was created again, and a partition that does not exist")
    func offsets() throws {
        try overfill()
        let database = try TestDatabase()
        let doctor = LoaderDoctor(settings: try settings(kafka.bootstrapServers, database.url))
        func found(next: Int64) throws -> DoctorFinding? {
            try database.query("UPDATE loader_offsets SET next_offset = \(next) WHERE partition = 0")
            return doctor.kafka().first { $0.name == "offsets" }
        }
        try database.query(
            "INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner) VALUES ('tweets', 0, 0, 1, 'o')")
        let hole = try #require(try found(next: 0))
        #expect(hole.status == .fail, "\(hole)")
        #expect(hole.detail.contains(/has deleted what was not loaded: tweets-0 from 0 to [1-9]$/), "\(hole)")
        #expect(hole.remedy?.contains("ON_HOLE") == true)
        #expect(try found(next: 9) == .ok("offsets", "1 messages of 1 partition are not loaded"))
        let replaced = try found(next: 700)
        #expect(replaced?.status == .fail, "\(replaced as Any)")
        #expect(replaced?.detail.hasSuffix("created again: tweets-0 ends with 10, loaded up to 700") == true)
        try database.query(
            "INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner) VALUES ('tweets', 5, 0, 1, 'o')")
        #expect(try found(next: 9)?.detail.hasSuffix("tweets-5 does not exist") == true)
    }

    @Test("how long Kafka keeps what is not loaded")
    func retention() {
        let now = Timestamp.now()
        let old = [TopicPartition("tweets", 0): BacklogDoctor.Next.message(now.advanced(by: .seconds(-4 * 3600)))]
        let long = BacklogDoctor.judge(old, keeping: ["tweets": .seconds(24 * 3600)], now: now)
        #expect(long.map(\.status) == [.ok] && long[0].detail.hasSuffix("Kafka keeps it for another 20 h"), "\(long)")
        let short = BacklogDoctor.judge(old, keeping: ["tweets": .seconds(7 * 3600)], now: now)
        #expect(short[0].status == .warn && short[0].detail.contains("Kafka keeps it for another 3 h"), "\(short)")
        let over = BacklogDoctor.judge(old, keeping: ["tweets": .seconds(3600)], now: now)
        #expect(over[0].detail.contains("for another 0 s"), "\(over)")
    }
}
