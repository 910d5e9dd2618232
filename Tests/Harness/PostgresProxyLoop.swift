import Core
import Glibc
import Synchronization

/// What the thread of a `PostgresProxy` does. The thread holds this and not the proxy, so that the proxy's end can end it.
final class PostgresProxyLoop: Sendable {
    private struct Pair {
        let client: Int32
        let server: Int32
        var isHole = false
        /// What is still to be sent of the beginning of a notice; nil when nothing trickles.
        var trickle: [UInt8]?
        var isCommitting = false
    }

    let target: Mutex<Int>
    let fault = Mutex<PostgresProxy.Fault?>(nil)
    let strikes = Atomic(0)
    let stop = Stop()
    private let listener: Int32

    /// - Parameters:
    ///   - listener: where clients connect; it is closed at the end.
    ///   - target: PostgreSQL's port on 127.0.0.1.
    init(listener: Int32, target: Int) {
        self.listener = listener
        self.target = Mutex(target)
    }

    /// Passes bytes on until the stop is raised.
    func serve() {
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
        guard let server = Loopback.connect(target.withLock({ $0 })) else {
            Glibc.close(client)
            return nil
        }
        return Pair(client: client, server: server)
    }

    private static func close(_ pair: Pair) {
        Glibc.close(pair.client)
        Glibc.close(pair.server)
    }
}
