import Core
import Digests
import Harness
import KafkaClient
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// What `doctor` finds in brokers that only the cluster names.
@Suite("Loader: doctor finds in brokers", .ownThreads, .timeLimit(.minutes(4)))
struct LoaderDoctorBrokerTests {
    private func brokers(_ brokers: [Int: TCPServer], hasTLS: Bool = false) -> [DoctorFinding] {
        ServerDoctor.brokers(brokers, beside: "k:9092,SASL_SSL://K2", hasTLS: hasTLS, now: .now())
    }

    private func kafka(_ servers: String) throws -> [DoctorFinding] {
        let settings = LoaderSettings(
            conninfo: try PostgresConninfo("postgresql://tweets@127.0.0.1:1/tweets"),
            kafka: KafkaConfiguration(bootstrapServers: servers), topic: "tweets")
        return LoaderDoctor(settings: settings).kafka()
    }

    @Test("each broker of the cluster is connected to, and one that is down is named")
    func cluster() throws {
        let sandbox = try KafkaSandbox(brokers: 3, topics: ["tweets": 1, "tweets.events": 1])
        let servers = sandbox.bootstrapServers.split(separator: ",").map { String($0) }
        let fine = try kafka(servers[0]).filter { $0.name.hasPrefix("broker") }
        #expect(fine == [.ok("brokers", "2 of 2 beside KAFKA_BOOTSTRAP_SERVERS accept connections")], "\(fine)")
        // What has been looked at is not repeated.
        #expect(try kafka(sandbox.bootstrapServers).allSatisfy { !$0.name.hasPrefix("broker") })
        sandbox.setBroker(3, isUp: false)
        let down = try kafka(servers[0]).filter { $0.name.hasPrefix("broker") }
        let port = servers[2].split(separator: ":").last ?? ""
        #expect(down.map(\.status) == [.fail], "\(down)")
        let text = "1 of 2 beside KAFKA_BOOTSTRAP_SERVERS accept connections; not broker 3, 127.0.0.1 port \(port): "
        #expect(down.first?.detail == text + "Connection refused", "\(down)")
        #expect(DoctorReport(service: "s", findings: down).failure?.disposition == .wait)
    }

    @Test("a broker that advertises a name that this host cannot resolve")
    func advertised() throws {
        let sandbox = try KafkaSandbox(brokers: 2, topics: ["tweets": 1, "tweets.events": 1])
        let first = sandbox.bootstrapServers.split(separator: ",").first.map { String($0) } ?? ""
        let front = try KafkaFront(first)
        front.advertisedHosts = [2: "kafka-2.invalid"]
        let found = try #require(kafka(front.servers).first { $0.name == "brokers" })
        #expect(found.status == .fail, "\(found)")
        #expect(found.detail.contains("0 of 1 beside"), "\(found)")
        #expect(found.detail.contains("not broker 2, kafka-2.invalid port \(front.port): "), "\(found)")
        #expect(found.remedy?.hasPrefix("advertised.listeners of these brokers") == true, "\(found)")
    }

    @Test("bootstrap servers in every spelling are not repeated")
    func known() {
        #expect(brokers([1: TCPServer(host: "K", port: 9092), 2: TCPServer(host: "k2", port: 9092)]).isEmpty)
        #expect(brokers([1: TCPServer(host: "k", port: 1)]).map(\.status) == [.fail])
        #expect(brokers([:]).isEmpty)
    }

    @Test("certificates of brokers that end soon, and a broker without TLS")
    func encryption() throws {
        let authority = try CertificateAuthority()
        let sandbox = try KafkaSandbox(topics: ["tweets": 1])
        let port = try #require(sandbox.bootstrapServers.split(separator: ":").last.flatMap { Int($0) })
        let front = try TLSFrontend(authority, .valid, backend: port)
        defer { front.stop() }
        let places = [1: TCPServer(host: "localhost", port: front.port), 2: TCPServer(host: "127.0.0.1", port: port)]
        let found = brokers(places, hasTLS: true)
        #expect(found.map(\.name) == ["brokers", "broker 1 localhost", "broker 2 127.0.0.1"], "\(found)")
        #expect(found.map(\.status) == [.ok, .warn, .fail], "\(found)")
        #expect(found.count == 3 && found[1].detail.contains("ends in 1 days"), "\(found)")
        #expect(found.last?.remedy?.hasPrefix("advertised.listeners of the broker") == true, "\(found)")
    }

    @Test("many brokers that do not answer take the time of one")
    func many() throws {
        let silent = try SilentPort()
        let place = TCPServer(host: "127.0.0.1", port: silent.port)
        let all = Dictionary(uniqueKeysWithValues: (1...40).map { ($0, place) })
        let begin = ContinuousClock.now
        let found = brokers(all)
        // In turn they would take 200 s.
        #expect(begin.duration(to: .now) < .seconds(60))
        #expect(found.map(\.status) == [.fail], "\(found)")
        #expect(found.first?.detail.hasPrefix("0 of 32 beside") == true, "\(found)")
        #expect(found.first?.detail.contains("; 8 more were not tried; not broker 1, ") == true, "\(found)")
    }
}
