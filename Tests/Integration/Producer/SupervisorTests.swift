import Foundation
import Glibc
import Sandbox
import TestSupport
import Testing

/// What the service tells systemd, from its start to its end.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct SupervisorTests {
    let folder: TemporaryFolder
    private let socket: NotifySocket

    init() throws {
        folder = try TemporaryFolder()
        socket = try NotifySocket(folder.path + "/notify")
    }

    /// Starts a producer for which neither X nor Kafka nor S3 is there: ready means that the journal is open and the
    /// threads run.
    private func start(_ settings: [String: String]) throws -> Process {
        let process = Process()
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(filePath: own).deletingLastPathComponent().appending(path: "tweet-producer")
        process.arguments = [
            "run", "--kafka", "127.0.0.1:1", "--drain", "1s",
        ]
        process.environment = ProcessInfo.processInfo.environment.merging([
            "NOTIFY_SOCKET": folder.path + "/notify", "WATCHDOG_USEC": "1000000", "X_LOCK_DIR": folder.path,
            "X_URL": "http://127.0.0.1:1", "JOURNAL_DIR": folder.path, "LISTEN": "off",
        ]) { $1 }.merging(settings) { $1 }
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// Loops that wait for X, for the next look at the rules, for lines to publish, for segments and for S3 go on giving
    /// signs of life.
    @Test func systemdHearsThatItIsReadyAliveAndEnding() throws {
        try folder.write("- value: pipeline\n", to: "rules.yaml")
        let process = try start([
            "X_BEARER_TOKEN": "none", "X_RULES_FILE": folder.path + "/rules.yaml", "ARCHIVE_S3_URL": "s3://bucket",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
        ])
        defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        try #require(socket.next() == "READY=1")
        // Four a second while all is well, and none after the first second if one loop gives no sign.
        for _ in 0..<12 { try #require(socket.next() == "WATCHDOG=1") }
        process.terminate()
        var last = socket.next()
        while last == "WATCHDOG=1" { last = socket.next() }
        #expect(last == "STOPPING=1")
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    /// The thread that fills gaps and the one that looks at rules both have something to journal while its disk is full: they
    /// wait, one behind the other, for much longer than the watchdog does.
    @Test(.enabled(if: geteuid() == 0, "mounting needs root"))
    func f75WhoWaitsForAFullDiskIsAliveAndRecordedAfterwards() async throws {
        var configuration = XSimulator.Configuration()
        (configuration.losesWhileAway, configuration.keepAlive) = (true, .milliseconds(300))
        let x = XSimulator(configuration)
        try await x.start()
        x.addRules([("pipeline", nil)])
        x.inject(Fault(.close, after: 20))
        let mounted = try SmallDisk(mebibytes: 32)
        defer { withExtendedLifetime(mounted) {} }
        let disk = mounted.path
        try folder.write("- value: pipeline\n", to: "rules.yaml")
        let process = try start([
            "X_BEARER_TOKEN": x.bearerToken, "X_URL": x.url, "JOURNAL_DIR": disk, "X_RULES_CHECK": "10s",
            "X_RULES_FILE": folder.path + "/rules.yaml", "X_REPAIR_DELAY": "5s", "X_REPAIR_MAX_POSTS": "1000",
            "X_BACKOFF_SCALE": "0.01",
        ])
        defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        // After the gap, and before anybody looks at it.
        try #require(try await holds { x.connections.count == 2 })
        fill(disk)
        x.holdRules([("pipeline", nil), ("another", nil)])
        try #require(socket.next() == "READY=1")
        for _ in 0..<56 { try #require(socket.next(patience: 10) == "WATCHDOG=1", "a loop counts as hung") }
        #expect(!recorded(disk, "rules_differ") && !recorded(disk, "\"repaired\""), "or this shows nothing")
        _ = unsafe unlink(disk + "/filler")
        try #require(try await holds { recorded(disk, "rules_differ") && recorded(disk, "\"repaired\"") })
        process.terminate()
        process.waitUntilExit()
        await x.stop()
        #expect(process.terminationStatus == 0)
    }

    /// Leaves no byte on a disk.
    private func fill(_ disk: String) {
        let file = unsafe open(disk + "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        let bytes = [UInt8](repeating: 0, count: 4096)
        while unsafe bytes.withUnsafeBytes({ unsafe Glibc.write(file, $0.baseAddress, $0.count) }) > 0 {}
        close(file)
    }

    /// Whether a line of the journal holds a text.
    private func recorded(_ disk: String, _ text: String) -> Bool {
        let segments = (try? FileManager.default.subpathsOfDirectory(atPath: disk)) ?? []
        return segments.contains { name in
            let data = FileManager.default.contents(atPath: disk + "/" + name) ?? Data()
            return String(decoding: data, as: UTF8.self).contains(text)
        }
    }

    /// The reader opens a pipe in place of the token's file, which returns only when somebody writes to it.
    @Test func aLoopThatHangsIsNotHiddenFromTheWatchdog() throws {
        let pipe = folder.path + "/token"
        let isMade = unsafe mkfifo(pipe, 0o600) == 0
        try #require(isMade)
        let process = try start(["X_BEARER_TOKEN_FILE": pipe])
        defer {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        // The settings are read; after that nobody writes.
        try Data("token\n".utf8).write(to: URL(filePath: pipe))
        try #require(socket.next() == "READY=1")
        #expect(socket.next() == "WATCHDOG=1")
        var (last, messages) = (socket.next(patience: 4), 0)
        while last == "WATCHDOG=1", messages < 40 { (last, messages) = (socket.next(patience: 4), messages + 1) }
        #expect(last == nil, "the watchdog still hears that all is well")
        #expect(process.isRunning)
    }
}

/// The receiving end of the notification protocol (sd_notify(3)): a datagram socket with a path.
private final class NotifySocket {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        try #require(path.utf8.count < 108)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    deinit {
        close(descriptor)
    }

    /// The next message; nil when none comes for so many seconds.
    func next(patience seconds: Int = 90) -> String? {
        var patience = timeval(tv_sec: seconds, tv_usec: 0)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return nil }
        let message = String(decoding: bytes[..<count], as: UTF8.self)
        // A line for people comes every 10 s at most, and says nothing to the watchdog.
        return message.hasPrefix("STATUS=") ? next(patience: seconds) : message
    }
}
