import Core
import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// F24, F25, and servers that are not X at all.
@Suite(.serialized, .timeLimit(.minutes(5))) struct NetworkFaultTests {
    @Test func f24OnlyACertificateThatIsRightIsAccepted() async throws {
        try await PipelineRun.with(losesWhileAway: true, x: { $0.certificate = .valid }, startsProducer: false) { run in
            var command = try producer(run, url: run.x.url, caFile: run.x.caFile)
            command.environment["X_BACKOFF_SCALE"] = "0.4"
            command.environment["LOG_LEVEL"] = "debug"
            command.output = .file(logFile(run))
            for kind in [CertificateKind.expired, .wrongName, .cut] {
                run.x.certificate = kind
                let process = try ChildProcess(command)
                try await run.expect("refusals of \(kind)") { PipelineRun.waits(nil, in: log(run)).count >= 4 }
                #expect(log(run).contains("\"cause\":\"tls\""), "\(kind): \(log(run))")
                // The ladder of the network: 250 ms, each time as much more, and up to a quarter by chance; shortened.
                for (index, wait) in PipelineRun.waits(nil, in: log(run)).prefix(4).enumerated() {
                    let step = 0.1 * Double(index + 1)
                    #expect(wait >= .seconds(step - 0.001) && wait <= .seconds(step * 1.25 + 0.1), "\(kind)")
                }
                #expect(run.x.attempts.isEmpty)
                process.kill()
                try FileManager.default.removeItem(atPath: logFile(run))
            }
            run.x.certificate = .expired
            let process = try ChildProcess(command)
            try await run.expect("a reason") { log(run).contains("\"cause\":\"tls\"") }
            run.x.certificate = .valid
            try await run.expectConserved()
            // Once for a run of equal failures.
            let events = "SELECT cause, count(*) FROM stream_events WHERE type = 'connect_failed' GROUP BY 1 ORDER BY 1"
            try await run.expect(events, ["tls|4"])
            process.terminate()
        }
    }

    /// The name is looked up in a hosts file of its own: at first not there, then with an address of IPv6 that takes no
    /// connection, then with another one of IPv4; while the stream is read it moves to where nobody listens, and back.
    @Test func f25NamesAreLookedUpForEveryAttempt() async throws {
        let folder = try TemporaryFolder()
        try folder.write("127.0.0.1 localhost\n", to: "hosts")
        // Nobody serves names there, so a name that is not in the file is not found at once.
        try folder.write("nameserver 127.0.0.1\n", to: "resolv.conf")
        try await PipelineRun.with(losesWhileAway: true, startsProducer: false) { run in
            let port = try #require(run.x.url.split(separator: ":").last.flatMap { UInt16($0) })
            let hole = try #require(BlackHole(port: port), "no ::1 on this machine")
            let process = try ChildProcess(producer(run, url: "http://x.example:\(port)", namesIn: folder.path))
            try await run.expect("no address") { log(run).contains("\"cause\":\"name_lookup\"") }
            #expect(run.x.attempts.isEmpty)
            func point(_ addresses: String...) throws {
                let text = addresses.map { $0 + " x.example\n" }.joined()
                // In place: the mount is of this file, not of its name.
                try Data(text.utf8).write(to: URL(filePath: folder.path + "/hosts"), options: [])
            }
            try point("::1", "127.0.0.1")
            let changed = Timestamp.now()
            try await run.expect("the address that answers") { run.x.connections.count == 1 }
            // An attempt that waited for the dead address would take sixty.
            #expect(Duration.between(changed, run.x.connections[0].startedAt) < .seconds(45))
            try await expectMove(run, away: { try point("127.0.0.9") }, back: { try point("::1", "127.0.0.1") })
            _ = hole
            try await run.expectConserved()
            process.terminate()
        }
    }

    /// The next attempt after the end of a connection goes to the new address, and a later one to the old.
    private func expectMove(_ run: PipelineRun, away: () throws -> Void, back: () throws -> Void) async throws {
        try await run.expect("posts") { run.x.issuedCount > 20 }
        try away()
        run.x.inject(Fault(.close))
        try await run.expect("the new address") { log(run).contains("\"cause\":\"connect\"") }
        #expect(run.x.attempts.count == 1)
        try back()
        try await run.expect("the old address") { run.x.connections.count == 2 }
    }

    /// A server that is not X: what it is, and what the producer is to say.
    enum Stranger: String, CaseIterable {
        case python, html, silent, tls

        var cause: String {
            switch self {
            case .python: "not_found"
            case .html: "not_a_stream"
            case .silent: "timeout"
            case .tls: "tls"
            }
        }
    }

    @Test(arguments: Stranger.allCases)
    func wrongServersGetAClearReasonAndNoHotLoop(_ stranger: Stranger) async throws {
        let folder = try TemporaryFolder()
        try await PipelineRun.with(losesWhileAway: true, x: { $0.certificate = .wrongName }, startsProducer: false) {
            run in
            let html = try ScriptedServer { connection in
                if stranger == .silent { return connection.waitForPeer() }
                connection.answer(200, "<html><h1>It works!</h1></html>", type: "text/html")
            }
            defer { html.close() }
            let python = try stranger == .python ? PythonServer(folder: folder.path) : nil
            defer { python?.process.kill() }
            let url = stranger == .python ? python?.url : stranger == .tls ? run.x.url : html.url
            let command = try command(for: stranger, at: try #require(url), run)
            let begin = ContinuousClock.now
            let process = try ChildProcess(command)
            try await run.expect("a reason") { log(run).contains("\"cause\":\"\(stranger.cause)\"") }
            // A loop without pauses would make hundreds of attempts within this time, and log each.
            try await endure(.seconds(2))
            #expect(process.exit == nil)
            // At most the steps of the ladder so far, which is linear from 250 ms, or doubles from 5 s: the attempt n + 1
            // comes after n (n + 1) / 8 seconds.
            let attempts = stranger == .python ? try python?.requests() ?? 0 : html.requests.count
            let most = 1.5 + (0.25 + 8 * (begin.duration(to: .now) / .seconds(1))).squareRoot()
            #expect(Double(attempts) <= most)
            #expect(log(run).split(separator: "\n").count { $0.contains("cannot read the stream") } == 1)
            if stranger == .python || stranger == .html { #expect(log(run).contains("X_URL")) }
            #expect(process.terminate(grace: .seconds(90)) == .status(0))
        }
    }

    /// The producer in front of a stranger.
    private func command(for stranger: Stranger, at url: String, _ run: PipelineRun) throws -> ChildCommand {
        var command = try producer(run, url: url, caFile: stranger == .tls ? run.x.caFile : nil)
        command.environment["X_BACKOFF_SCALE"] = "1"
        if stranger == .silent { command.environment["X_CONNECT_TIMEOUT"] = "1s" }
        command.output = .file(logFile(run))
        return command
    }

    private func logFile(_ run: PipelineRun) -> String { run.pipeline.journalFolder + ".log" }

    private func log(_ run: PipelineRun) -> String { (try? readTextFile(logFile(run))) ?? "" }

    /// A producer that finds names in the files `hosts` and `resolv.conf` of a folder.
    private func producer(_ run: PipelineRun, url: String, namesIn folder: String) throws -> ChildCommand {
        var command = try producer(run, url: url, caFile: nil)
        command.environment["X_CONNECT_TIMEOUT"] = "60s"
        let mount = ["hosts", "resolv.conf"].map { "mount --bind \"$0/\($0)\" /etc/\($0) && " }.joined()
        // Who is not root may mount in a user namespace of one's own.
        command.arguments =
            (geteuid() == 0 ? [] : ["--map-root-user"])
            + ["--mount", "sh", "-c", mount + "exec \"$@\"", folder, command.executable] + command.arguments
        command.executable = "/usr/bin/unshare"
        command.output = .file(logFile(run))
        return command
    }

    /// A producer with a different URL than the simulator's plain one.
    private func producer(_ run: PipelineRun, url: String, caFile: String?) throws -> ChildCommand {
        var settings = run.pipeline.environment
        settings["X_URL"] = url
        settings["X_CA_FILE"] = caFile
        return try ChildCommand(service: .producer, ["run"], settings: settings)
    }
}

/// `python3 -m http.server` on a free port, with a log of its requests.
private struct PythonServer {
    let process: ChildProcess
    let url: String
    private let logFile: String

    init(folder: String) throws {
        logFile = folder + "/requests.log"
        var command = ChildCommand(
            "/usr/bin/env", ["python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"])
        command.folder = folder
        command.output = .file(logFile)
        process = try ChildProcess(command)
        let path = logFile
        // It writes first of all: Serving HTTP on 127.0.0.1 port 40123 (http://127.0.0.1:40123/) ...
        func words() throws -> [Substring] {
            try readTextFile(path).split(separator: " (").flatMap { $0.split(separator: "/) ") }
        }
        _ = try eventually { try words().count >= 2 }
        url = try #require(try words().dropFirst().first.map(String.init), "python3 does not serve")
    }

    func requests() throws -> Int {
        try readTextFile(logFile).split(separator: "\n").count { $0.contains("GET /2/") }
    }
}

/// A port of ::1 that takes no connection and refuses none: its queue is full, so the kernel drops what comes.
private final class BlackHole {
    private var descriptors: [Int32] = []

    init?(port: UInt16) {
        let listener = socket(AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        descriptors.append(listener)
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_addr = in6addr_loopback
        let size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        func withAddress(_ body: (UnsafePointer<sockaddr>) -> Int32) -> Int32 {
            unsafe withUnsafePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0) }
            }
        }
        guard unsafe withAddress({ unsafe bind(listener, $0, size) }) == 0, listen(listener, 0) == 0 else { return nil }
        for _ in 0..<4 {
            let client = socket(
                AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            descriptors.append(client)
            _ = unsafe withAddress { unsafe connect(client, $0, size) }
        }
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
    }
}
