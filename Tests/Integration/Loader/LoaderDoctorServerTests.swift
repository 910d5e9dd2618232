import Core
import Digests
import Harness
import KafkaClient
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// What `tweet-loader doctor` finds in the addresses of PostgreSQL.
@Suite("Loader: doctor finds in addresses", .ownThreads, .timeLimit(.minutes(4)))
struct LoaderDoctorServerTests {
    private func finding(_ text: String) throws -> DoctorFinding? {
        try PostgresConninfo(text).addressFinding
    }

    private func servers(_ text: String) throws -> [String] {
        try PostgresConninfo(text).tcpServers.map(\.description)
    }

    @Test("the servers are those that libpq connects to by TCP")
    func names() throws {
        #expect(try servers("postgresql://u@db.example/d") == ["db.example port 5432"])
        let several = "postgresql://u@a.example:1,[2001:db8::1]:2,c.example/d"
        #expect(try servers(several) == ["a.example port 1", "2001:db8::1 port 2", "c.example port 5432"])
        #expect(try servers("host=a,b port=6432 user=u") == ["a port 6432", "b port 6432"])
        // What libpq connects to is the address; the name is for the certificate.
        #expect(try servers("host=a.example,/tmp hostaddr=192.0.2.1, user=u") == ["192.0.2.1 port 5432"])
        #expect(try servers("host=/tmp user=u").isEmpty && servers("host=@abstract user=u").isEmpty)
    }

    @Test("an address of IPv6 or IPv4 that does not accept while another does")
    func lost() throws {
        let database = try TestDatabase()
        let port = try TestDatabase.port
        #expect(try finding(database.url)?.status == .ok)
        let settings = "dbname=\(database.name) user=tweets port=\(port)"
        let six = try finding("hostaddr=127.0.0.1,::1 \(settings)")
        let counts = "1 of 1 IPv4 and 0 of 1 IPv6 addresses accept connections; not ::1 port \(port) ("
        #expect(six?.status == .warn && six?.detail.contains(counts) == true, "\(six as Any)")
        let doctor = LoaderDoctor(
            settings: LoaderSettings(
                conninfo: try PostgresConninfo("hostaddr=127.0.0.2,127.0.0.1 \(settings)"),
                kafka: KafkaConfiguration(bootstrapServers: "127.0.0.1:1"), topic: "tweets"))
        let all = doctor.remote()
        #expect(all.first?.status == .ok, "\(all)")
        let found = all.first { $0.name == "postgresql addresses" }
        #expect(found?.status == .warn, "\(all)")
        let refused = "1 of 2 IPv4 addresses accept connections; not 127.0.0.2 port \(port) (Connection refused)"
        #expect(found?.detail.hasSuffix(refused) == true)
    }

    @Test("a server that nobody reaches, and one that is reached by a socket")
    func unreachable() throws {
        let found = try #require(try finding("postgresql://tweets@127.0.0.1:1/tweets"))
        #expect(found.status == .fail && found.detail.contains("0 of 1 IPv4 addresses accept"), "\(found)")
        let server = try PostgresSandbox()
        defer { server.destroy() }
        #expect(try finding(server.socketURL()) == nil)
    }
}
