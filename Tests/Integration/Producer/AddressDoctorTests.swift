import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import TweetProducer

/// What `doctor` finds in the addresses of a server, and of X or its proxy.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct AddressDoctorTests {
    private func finding(_ servers: TCPServer..., patience: Duration = .seconds(5)) -> DoctorFinding? {
        AddressDoctor("addresses", servers, patience: patience).finding
    }

    private func port(_ server: ScriptedServer) throws -> Int {
        try #require(server.url.split(separator: ":").last.flatMap { Int($0) })
    }

    /// Nobody listens at ::1, also where there is no IPv6.
    @Test func anAddressThatDoesNotAcceptWhileAnotherDoes() throws {
        let server = try ScriptedServer { $0.answer(200, "{}") }
        defer { server.close() }
        let port = try port(server)
        let (four, six) = (TCPServer(host: "127.0.0.1", port: port), TCPServer(host: "::1", port: port))
        let fine = finding(four)
        #expect(fine == .ok("addresses", "127.0.0.1 port \(port): 1 of 1 IPv4 addresses accept connections"))
        let found = finding(six, four)
        let counts = "1 of 1 IPv4 and 0 of 1 IPv6 addresses accept connections; not ::1 port \(port) ("
        #expect(found?.status == .warn && found?.detail.contains(counts) == true, "\(found as Any)")
        #expect(found?.remedy?.contains("remove it from DNS") == true)
        let unknown = finding(four, TCPServer(host: "x.invalid", port: port))
        #expect(unknown?.status == .warn && unknown?.detail.contains("not x.invalid (") == true, "\(unknown as Any)")
    }

    @Test func noAddressAccepts() throws {
        let found = try #require(finding(TCPServer(host: "127.0.0.1", port: 1), TCPServer(host: "::1", port: 1)))
        #expect(found.status == .fail && found.detail.contains("0 of 1 IPv4 and 0 of 1 IPv6"), "\(found)")
        #expect(found.detail.contains("not 127.0.0.1 port 1 (Connection refused)"), "\(found)")
        #expect(DoctorReport(service: "s", findings: [found]).failure?.disposition == .wait)
        let unknown = finding(TCPServer(host: "x.invalid", port: 1))
        #expect(unknown?.status == .fail && unknown?.detail.contains("no address; not x.invalid (") == true)
        #expect(finding() == nil)
    }

    /// Of both families, without either of them: numbers are resolved everywhere.
    @Test func howManyOfEachFamilyAccept() throws {
        let servers = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map { TCPServer(host: $0, port: 443) }
        let outcomes = try servers.map { server in
            AddressDoctor.Outcome(server: server, address: try server.addresses().first, failure: nil)
        }
        let doctor = AddressDoctor("addresses", [TCPServer(host: "x", port: 443)])
        let text = "x port 443: 2 of 2 IPv4 and 1 of 1 IPv6 addresses accept connections"
        #expect(doctor.judge(outcomes) == .ok("addresses", text))
        #expect(doctor.judge(outcomes, untried: 3).detail == text + "; 3 more were not tried")
        let withoutIPv6 = try AddressDoctor.Outcome(
            server: servers[2], address: servers[2].addresses().first, failure: "Network is unreachable")
        let found = doctor.judge([outcomes[0], withoutIPv6])
        #expect(found.status == .ok && found.detail.contains("0 of 1 IPv6"), "\(found)")
        #expect(doctor.judge([withoutIPv6]).status == .fail)
    }

    @Test func oneNameGivesEachAddressOnce() throws {
        let found = try TCPServer(host: "127.0.0.1", port: 80).addresses()
        #expect(found.map(\.host) == ["127.0.0.1"] && !found[0].isIPv6)
        let six = try TCPServer(host: "2001:db8:0::1", port: 80).addresses()
        #expect(six.map(\.host) == ["2001:db8::1"] && six[0].isIPv6)
        #expect(throws: TCPConnectError.self) { try TCPServer(host: "x.invalid", port: 80).addresses() }
    }

    @Test func manySilentAddressesTakeTheTimeOfOne() throws {
        let silent = try SilentPort()
        let servers = [TCPServer](repeating: TCPServer(host: "127.0.0.1", port: silent.port), count: 40)
        let begin = ContinuousClock.now
        let found = try #require(AddressDoctor("addresses", servers, patience: .seconds(1)).finding)
        // In turn they would take 40 s.
        #expect(begin.duration(to: .now) < .seconds(20))
        #expect(found.status == .fail && found.detail.contains("(no answer in 1s)"), "\(found)")
        #expect(found.detail.contains("0 of 32 IPv4") && found.detail.contains("; 8 more were not tried"), "\(found)")
    }

    // MARK: X

    @Test func xWhoseAddressesAreSilentOrRefuse() throws {
        #expect(XDoctor.addresses("http://127.0.0.1:1", [:])?.status == .fail)
        let proxy = XDoctor.addresses("https://x.invalid", ["https_proxy": "127.0.0.1:1"])
        #expect(proxy?.status == .fail && proxy?.detail.hasPrefix("the proxy 127.0.0.1 port 1: ") == true)
    }

    /// Each with what libcurl chooses: X itself, or the proxy.
    @Test(arguments: [
        (["http_proxy": "PROXY"], true), (["HTTP_PROXY": "PROXY"], false), (["all_proxy": "PROXY"], true),
        (["ALL_PROXY": "PROXY", "no_proxy": "localhost"], true),
        (["http_proxy": "PROXY", "no_proxy": "127.0.0.1"], false),
        (["http_proxy": "PROXY", "no_proxy": "a,127.0.0.0/8"], false),
        (["http_proxy": "PROXY", "NO_PROXY": "*"], false), (["http_proxy": "", "all_proxy": "PROXY"], true),
    ])
    func theAddressesAreThoseOfWhomLibcurlConnectsTo(_ environment: [String: String], _ isProxied: Bool) throws {
        let (x, proxy) = (try healthyX(), try healthyX())
        defer {
            x.close()
            proxy.close()
        }
        let folder = try TemporaryFolder()
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        let settings = [
            "X_BEARER_TOKEN": "t", "JOURNAL_DIR": folder.path + "/journal", "X_LOCK_DIR": folder.path, "X_URL": x.url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers,
        ]
        let variables = environment.mapValues { $0.replacing("PROXY", with: proxy.url) }
        let outcome = try ProducerCommand(["doctor"], settings.merging(variables) { $1 })
        let text = "\(isProxied ? "the proxy " : "")127.0.0.1 port \(try port(isProxied ? proxy : x)): 1 of 1 IPv4"
        #expect(outcome.output.contains(text), "\(outcome.output)\(outcome.errors)")
        let asked = (isProxied ? proxy : x).requests.count { $0.head.contains("/rules") }
        let other = (isProxied ? x : proxy).requests.count { $0.head.contains("/rules") }
        #expect(asked > 0 && other == 0)
    }

    private func healthyX() throws -> ScriptedServer {
        try ScriptedServer { $0.answer(200, #"{"data":[{"id":"1","value":"cat"}]}"#, type: "application/json") }
    }
}
