import Core
import Foundation
import KafkaClient
import Logging
import Sandbox
import TestSupport
import Testing

@testable import Operations
@testable import TweetLoader

/// Whom `tweet-loader top` asks, and what it prints without a terminal.
@Suite("Loader: sources of top", .ownThreads, .timeLimit(.minutes(4)))
struct TopSourcesTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private func run(
        _ arguments: [String], _ environment: [String: String?] = [:]
    ) throws -> (exit: ChildProcess.Exit, output: String) {
        var command = ChildCommand(try siblingExecutable("tweet-loader"), ["top"] + arguments)
        command.environment = [
            "DATABASE_URL": database.url, "PRODUCER_URL": "http://127.0.0.1:1", "LOADER_URL": "http://127.0.0.1:1",
            "PGHOST": nil, "PGDATABASE": nil,
        ].merging(environment) { $1 }
        return try ChildProcess.run(command)
    }

    @Test("without a terminal it prints one look and ends")
    func plain() throws {
        try database.query(
            """
            INSERT INTO loaders (owner, seen_at)
            SELECT owner, now() + interval '1 hour' FROM unnest('{host/1/a,host/1/a/2,host/2/b}'::text[]) AS owner
            """)
        try database.query(
            """
            INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner, committed_at, rate)
            VALUES ('tweets', 0, 7, 1, 'host/1/a', now(), 5)
            """)
        let (exit, output) = try run(["--interval", "500ms"])
        #expect(exit == .status(0))
        #expect(output.contains("tweet-producer at 127.0.0.1:1: nothing answers at 127.0.0.1:1: "), "\(output)")
        #expect(output.contains("Loader   2 running") && output.contains("tweets-0"), "\(output)")
        #expect(!output.contains("\u{1B}"))
    }

    @Test("--json is one object, and what is not known is not 0")
    func json() throws {
        let (exit, output) = try run(["--json", "--interval", "500ms"])
        #expect(exit == .status(0))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
        #expect(object["version"] as? Int == 1 && object["producers"] as? [String] == [])
        let loading = try #require(object["loading"] as? [String: Any])
        #expect(loading["loaders"] as? Int == 0 && loading["from"] as? String == "postgresql")
        #expect(loading["seconds_since_commit"] == nil && loading["open_holes"] as? Int == 0)
        #expect((object["sources"] as? [[String: Any]])?.map { $0["answers"] as? Bool } == [false, false, true])
    }

    @Test("its exit statuses are those of the documents")
    func statuses() throws {
        let nobody = try run(["--once"], ["DATABASE_URL": "postgresql://tweets@127.0.0.1:1/tweets"])
        #expect(nobody.exit == .status(69) && nobody.output.contains("nobody answers"), "\(nobody.output)")
        #expect(try run(["--interval", "5ms"]).exit == .status(64))
        #expect(try run(["--interval", "often"]).exit == .status(64))
        let off = try run(["--once"], ["DATABASE_URL": nil, "PRODUCER_URL": "off", "LOADER_URL": "off"])
        #expect(off.exit == .status(78) && off.output.contains("there is nobody to ask"), "\(off.output)")
        #expect(try run(["--once", "--loader-url", "localhost"]).exit == .status(78))
        #expect(try run(["--once"], ["TERM": "dumb"]).exit == .status(0))
    }

    /// A loader as far as HTTP goes.
    private func serve(_ metrics: LoaderMetrics, _ health: ServiceHealth, port: Int) throws -> OperationsServer {
        let judge = LoaderHealth(metrics: metrics)
        let endpoints = OperationsEndpoints(
            service: "tweet-loader", registry: metrics.registry, health: health, judge: { judge.checks(at: $0) })
        return try #require(
            try OperationsServer.start(
                ListenSettings(host: "127.0.0.1", port: port), endpoints, logger: Logger(label: "test")))
    }

    @Test("a service that answers is asked itself; when it ends, PostgreSQL is")
    func services() throws {
        let (metrics, health, port) = (LoaderMetrics(), ServiceHealth(), try freePort())
        metrics.consuming.lag.set([(["tweets", "0"], 41)])
        metrics.facts.holes.set(2.0)
        metrics.writers.begin("me", step: "group")
        metrics.writers.set("me", next: [TopicPartition("tweets", 0): 7])
        let server = try serve(metrics, health, port: port)
        let terminal = try PseudoTerminal(
            siblingExecutable("tweet-loader"), ["top", "--interval", "500ms"],
            environment: [
                "DATABASE_URL": database.url, "PRODUCER_URL": "off", "LOADER_URL": "http://127.0.0.1:\(port)",
            ])
        #expect(terminal.shows("loader !! failing") && terminal.shows("holes !! 2"), "\(terminal.look().text)")
        #expect(terminal.shows("lag 41") && terminal.shows("!! open holes: Kafka deleted messages"))
        #expect(terminal.shows { !$0.text.contains("(from PostgreSQL)") && $0.text.contains("tweets-0") })
        // It counts what is settled, by the time between two answers.
        #expect(
            terminal.shows { screen in
                metrics.writing.settled[.inserted].add(10)
                return screen.text.contains(/1 running  [1-9][0-9,.]* rows\/s/)
            }, "\(terminal.look().text)")
        server.stop()
        #expect(terminal.shows("loader no answer") && terminal.shows("(from PostgreSQL)"), "\(terminal.look().text)")
        terminal.type("q")
        #expect(terminal.status() == 0 && terminal.isAsBefore)
    }

    @Test("a service that accepts connections and does not answer holds up neither the screen nor the end")
    func hanging() throws {
        let listener = try SilentListener()
        let terminal = try PseudoTerminal(
            siblingExecutable("tweet-loader"), ["top"],
            environment: [
                "DATABASE_URL": database.url, "PRODUCER_URL": "http://127.0.0.1:\(listener.port)", "LOADER_URL": "off",
            ])
        #expect(terminal.shows("producer no answer"), "\(terminal.look().text)")
        terminal.type("\t")
        #expect(terminal.shows("[Streams]"))
        terminal.type("q")
        #expect(terminal.status() == 0 && terminal.isAsBefore)
    }
}

/// Accepts connections, as the kernel does, and answers nothing.
private final class SilentListener: Sendable {
    let port: Int
    private let descriptor: Int32

    init() throws {
        port = try freePort()
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7F00_0001).bigEndian)
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0, listen(descriptor, 8) == 0 else { throw FileError("listen", "127.0.0.1:\(port)") }
    }

    deinit { close(descriptor) }
}
