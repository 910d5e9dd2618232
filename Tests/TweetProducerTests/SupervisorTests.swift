import Foundation
import Glibc
import TestSupport
import Testing

/// What the service tells systemd, from its start to its end.
@Suite struct SupervisorTests {
    @Test func systemdHearsThatItIsReadyAliveAndEnding() throws {
        let folder = try TemporaryFolder()
        let socket = try NotifySocket(folder.path + "/notify")
        let process = Process()
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(filePath: own).deletingLastPathComponent().appending(path: "tweet-producer")
        // Neither X nor Kafka is there: ready means that the journal is open and the threads run.
        process.arguments = [
            "run", "--x-url", "http://127.0.0.1:1", "--kafka", "127.0.0.1:1", "--journal", folder.path, "--drain", "1s",
        ]
        process.environment = ProcessInfo.processInfo.environment.merging([
            "X_BEARER_TOKEN": "none", "NOTIFY_SOCKET": folder.path + "/notify", "WATCHDOG_USEC": "100000",
        ]) { $1 }
        process.standardError = FileHandle.nullDevice
        try process.run()
        #expect(socket.next() == "READY=1")
        #expect(socket.next() == "WATCHDOG=1")
        #expect(socket.next() == "WATCHDOG=1")
        process.terminate()
        var last = socket.next()
        while last == "WATCHDOG=1" { last = socket.next() }
        #expect(last == "STOPPING=1")
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
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
        var patience = timeval(tv_sec: 90, tv_usec: 0)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        close(descriptor)
    }

    /// The next message; nil when none comes.
    func next() -> String? {
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
