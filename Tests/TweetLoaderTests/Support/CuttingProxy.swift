import Glibc
import PipelineKit
import Synchronization

/// A TCP proxy before PostgreSQL that cuts the connection once, at a COMMIT.
final class CuttingProxy: Sendable {
    enum Cut: Sendable {
        /// The server never gets the COMMIT.
        case before
        /// The server commits, and the client never gets the answer.
        case after
    }

    let port: Int
    private let listener: Int32
    private let target: Int
    private let cut: Cut
    private let hasCut = Atomic(false)
    private let stop = Stop()

    init(to target: Int, cut: Cut) throws {
        self.target = target
        self.cut = cut
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = Self.address(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try unsafe withUnsafeMutablePointer(to: &address) { pointer in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard unsafe bind(listener, generic, size) == 0, listen(listener, 8) == 0,
                    unsafe getsockname(listener, generic, &size) == 0
                else { throw FileError("listen", "127.0.0.1") }
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    var wasCut: Bool { hasCut.load(ordering: .acquiring) }

    /// Serves one connection after the other until `end()`.
    func serve() {
        while !stop.isRaised {
            var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&waiting, 1, 50) > 0 else { continue }
            let client = accept(listener, nil, nil)
            let server = connectToTarget()
            relay(client, server)
            close(client)
            close(server)
        }
        close(listener)
    }

    func end() {
        stop.raise()
    }

    private func relay(_ client: Int32, _ server: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var isCommitting = false
        while !stop.isRaised {
            var descriptors = [client, server].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard unsafe poll(&descriptors, 2, 50) > 0 else { continue }
            for (from, to) in [(0, server), (1, client)] where descriptors[from].revents != 0 {
                let count = unsafe read(descriptors[from].fd, &buffer, buffer.count)
                guard count > 0 else { return }
                if from == 0, !wasCut, Self.isCommit(buffer[..<count]) {
                    hasCut.store(true, ordering: .releasing)
                    isCommitting = true
                    if cut == .before { return }
                }
                // The server's answer to the COMMIT is here, so the transaction has ended: it is not passed on.
                if from == 1, isCommitting { return }
                guard unsafe write(to, buffer, count) == count else { return }
            }
        }
    }

    /// A simple query message: 'Q', length, text (PostgreSQL, "Message Formats").
    private static func isCommit(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.elementsEqual([UInt8(ascii: "Q"), 0, 0, 0, 11] + Array("COMMIT".utf8) + [0])
    }

    private func connectToTarget() -> Int32 {
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(target)
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = unsafe connect(server, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return server
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
