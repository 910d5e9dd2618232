import Core
import Glibc
import Synchronization

/// A TCP proxy before PostgreSQL that knows enough of its protocol to strike at a COMMIT.
///
/// It takes any number of connections, on one thread of its own, which ends with this object.
package final class PostgresProxy: Sendable {
    /// What it does, once, when it was armed.
    package enum Fault: Sendable {
        /// The server never gets the COMMIT; the connection is cut.
        case cutBeforeCommit
        /// The server commits, and the client never gets the answer; the connection is cut.
        case cutAfterCommit
        /// The COMMIT, and all that comes on this connection afterwards, is swallowed; the connection stays open.
        case blackHole
        /// The server never gets the COMMIT, and the client gets a byte of a notice, which never ends, every 50 ms.
        case trickle
    }

    private struct Pair {
        let client: Int32
        let server: Int32
        var isHole = false
        /// What is still to be sent of the beginning of a notice; nil when nothing trickles.
        var trickle: [UInt8]?
        var isCommitting = false
    }

    /// The port of 127.0.0.1 that it listens on.
    package let port: Int
    private let listener: Int32
    private let target: Mutex<Int>
    private let fault = Mutex<Fault?>(nil)
    private let strikes = Atomic(0)
    private let stop = Stop()
    private let thread = Mutex<JoinableThread?>(nil)

    /// - Parameter target: PostgreSQL's port on 127.0.0.1.
    /// - Throws: `FileError` when there is no port to listen on.
    package init(to target: Int) throws {
        self.target = Mutex(target)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.listener = listener
        var address = Self.address(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try unsafe withUnsafeMutablePointer(to: &address) { pointer in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard unsafe bind(listener, generic, size) == 0, listen(listener, 16) == 0,
                    unsafe getsockname(listener, generic, &size) == 0
                else { throw FileError("listen", "127.0.0.1") }
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        thread.withLock { $0 = JoinableThread(name: "proxy") { [unowned self] in self.serve() } }
    }

    deinit {
        end()
    }

    /// Ends the thread and all connections.
    package func end() {
        stop.raise()
        let thread = thread.withLock { $0.take() }
        if let thread { thread.join() }
    }

    /// Strikes at the next COMMIT.
    package func arm(_ fault: Fault) {
        self.fault.withLock { $0 = fault }
    }

    /// How often it has struck.
    package var struck: Int { strikes.load(ordering: .acquiring) }

    /// Leads new connections to another port, as a name does after a fail-over.
    package func lead(to port: Int) {
        target.withLock { $0 = port }
    }

    private func serve() {
        var pairs: [Pair] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !stop.isRaised {
            var descriptors = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
            for pair in pairs {
                let events = pair.isHole ? 0 : Int16(POLLIN)
                descriptors.append(pollfd(fd: pair.isHole ? -1 : pair.client, events: events, revents: 0))
                descriptors.append(pollfd(fd: pair.isHole ? -1 : pair.server, events: events, revents: 0))
            }
            for index in pairs.indices { Self.trickle(&pairs[index]) }
            guard unsafe poll(&descriptors, nfds_t(descriptors.count), 50) > 0 else { continue }
            for index in pairs.indices.reversed() {
                let isOpen =
                    (descriptors[2 * index + 1].revents == 0 || fromClient(&pairs[index], &buffer))
                    && (descriptors[2 * index + 2].revents == 0 || fromServer(&pairs[index], &buffer))
                if !isOpen { Self.close(pairs.remove(at: index)) }
            }
            if descriptors[0].revents != 0 { pairs += [accepted()].compactMap { $0 } }
        }
        for pair in pairs { Self.close(pair) }
        Glibc.close(listener)
    }

    /// Passes on what the client says; false when the connection is over.
    private func fromClient(_ pair: inout Pair, _ buffer: inout [UInt8]) -> Bool {
        let count = unsafe read(pair.client, &buffer, buffer.count)
        guard count > 0 else { return false }
        if Self.isCommit(buffer[..<count]), let fault = fault.withLock({ $0.take() }) {
            strikes.add(1, ordering: .acquiringAndReleasing)
            switch fault {
            case .cutBeforeCommit: return false
            case .cutAfterCommit: pair.isCommitting = true
            case .blackHole:
                pair.isHole = true
                return true
            case .trickle:
                pair.isHole = true
                // A notice of 1,000,000 bytes: 'N' and its length.
                pair.trickle = [UInt8(ascii: "N"), 0x00, 0x0F, 0x42, 0x40]
                return true
            }
        }
        return unsafe send(pair.server, buffer, count, Int32(MSG_NOSIGNAL)) == count
    }

    /// Passes on what the server says; false when the connection is over.
    private func fromServer(_ pair: inout Pair, _ buffer: inout [UInt8]) -> Bool {
        let count = unsafe read(pair.server, &buffer, buffer.count)
        // The server's answer to the COMMIT is here, so the transaction has ended: it is not passed on.
        guard count > 0, !pair.isCommitting else { return false }
        return unsafe send(pair.client, buffer, count, Int32(MSG_NOSIGNAL)) == count
    }

    /// Sends the client one byte more of a notice.
    private static func trickle(_ pair: inout Pair) {
        guard var rest = pair.trickle else { return }
        let byte = rest.isEmpty ? UInt8(ascii: "x") : rest.removeFirst()
        pair.trickle = rest
        _ = unsafe send(pair.client, [byte], 1, Int32(MSG_NOSIGNAL))
    }

    /// A simple query message: 'Q', length, text (PostgreSQL, "Message Formats").
    private static func isCommit(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.elementsEqual([UInt8(ascii: "Q"), 0, 0, 0, 11] + Array("COMMIT".utf8) + [0])
    }

    private func accepted() -> Pair? {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { return nil }
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = Self.address(target.withLock { $0 })
        let code = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe connect(server, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        let pair = Pair(client: client, server: server)
        guard code == 0 else {
            Self.close(pair)
            return nil
        }
        return pair
    }

    private static func close(_ pair: Pair) {
        Glibc.close(pair.client)
        Glibc.close(pair.server)
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
