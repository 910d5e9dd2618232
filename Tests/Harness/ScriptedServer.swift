import Core
import Foundation
import Synchronization
import TestSupport

/// A TCP server on the loopback that answers each connection as a test says, byte for byte.
///
/// It blocks on threads of its own. For faults below HTTP: half lines, resets, single bytes, silence.
package final class ScriptedServer: Sendable {
    /// One accepted connection, whose request head has been read.
    package struct Connection: Sendable {
        /// From 0, in the order of acceptance.
        package let index: Int
        /// The request line and header fields.
        package let head: String
        /// The request's body, as far as `Content-Length` says.
        package var body: String { String(decoding: bytes, as: UTF8.self) }
        /// The same as it came, which may be no text.
        package let bytes: [UInt8]

        fileprivate let descriptor: Int32

        /// The value of a header field, or nil.
        package func header(_ name: String) -> String? {
            for line in head.split(separator: "\r\n").dropFirst() {
                let pair = line.split(separator: ":", maxSplits: 1)
                if pair.count == 2, pair[0].lowercased() == name.lowercased() {
                    return String(pair[1].drop { $0 == " " })
                }
            }
            return nil
        }

        /// Sends a text as it is.
        package func send(_ text: String) { send(Array(text.utf8)) }

        /// Sends bytes; false when the client has gone.
        @discardableResult
        package func send(_ bytes: [UInt8]) -> Bool {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes {
                    unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if count <= 0 { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }

        /// One `send(2)` a byte.
        package func dribble(_ text: String) {
            for byte in text.utf8 { send([byte]) }
        }

        /// The head of a 200 whose body ends with the connection.
        package func sendStreamHead(_ more: String = "") {
            send("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\(more)Connection: close\r\n\r\n")
        }

        /// A whole answer.
        package func answer(
            _ status: Int, _ body: String, type: String = "application/problem+json", headers: String = ""
        ) {
            send(
                "HTTP/1.1 \(status) Status\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
                    + "\(headers)Connection: close\r\n\r\n\(body)")
        }

        /// Ends the connection with RST instead of FIN once the handler returns.
        package func resetAtClose() {
            var option = linger(l_onoff: 1, l_linger: 0)
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        }

        /// Waits until the client has read everything that was sent; false when it has not within 90 s.
        package func waitUntilRead() -> Bool {
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isKnown = unsafe withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe getpeername(descriptor, $0, &length) == 0
                }
            }
            // The client's end of the connection: proc_net_tcp(5) lists its port and the bytes in its receive queue.
            let port = String(UInt16(bigEndian: address.sin_port), radix: 16, uppercase: true)
            let end = ":" + String(repeating: "0", count: 4 - port.count) + port
            func areRead() throws -> Bool {
                var unsent: Int32 = 0
                // Whatever the client's kernel has not acknowledged is still on this side.
                guard unsafe ioctl(descriptor, UInt(TIOCOUTQ), &unsent) == 0, unsent == 0 else { return false }
                return try readTextFile("/proc/net/tcp").split(separator: "\n").contains { line in
                    let fields = line.split(separator: " ")
                    return fields.count > 4 && fields[1].hasSuffix(end) && fields[4].hasSuffix(":00000000")
                }
            }
            return isKnown && (try? eventually(areRead)) == true
        }

        /// Waits until the client has closed its side.
        package func waitForPeer() {
            var byte: UInt8 = 0
            while unsafe recv(descriptor, &byte, 1, 0) > 0 {}
        }
    }

    /// Chosen by the system.
    package let port: UInt16

    private struct State {
        var isClosed = false
        var requests: [Connection] = []
        var open: Set<Int32> = []
        var running = 0
    }

    private let listener: Int32
    private let state = Mutex(State())
    private let changed = Signal()
    private let handler: @Sendable (Connection) -> Void

    /// Starts to listen on the loopback.
    ///
    /// - Parameter handler: runs for each request on a thread of its own; the connection ends when it returns.
    /// - Throws: `FileError` when no port can be had.
    package init(_ handler: @escaping @Sendable (Connection) -> Void) throws {
        self.handler = handler
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { throw FileError("socket", "loopback") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let isListening = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(listener, address, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isListening else { throw FileError("listen", "loopback") }
        port = UInt16(bigEndian: address.sin_port)
        spawn { $0.accept() }
    }

    /// The base URL.
    package var url: String { "http://127.0.0.1:\(port)" }

    /// The requests so far.
    package var requests: [Connection] { state.withLock { $0.requests } }

    /// Waits until `count` requests have come; false when they have not within `seconds`.
    package func waitForRequests(_ count: Int, seconds: Int = 90) -> Bool {
        changed.wait(until: .now + .seconds(seconds)) { self.requests.count >= count }
    }

    /// Waits until every accepted connection has ended.
    package func waitUntilIdle(seconds: Int = 90) -> Bool {
        changed.wait(until: .now + .seconds(seconds)) { self.state.withLock { $0.open.isEmpty } }
    }

    /// Ends every connection and waits for the threads. Call it at the end of the test.
    package func close() {
        let open = state.withLock { state in
            state.isClosed = true
            return state.open
        }
        for descriptor in open { shutdown(descriptor, Int32(SHUT_RDWR)) }
        shutdown(listener, Int32(SHUT_RDWR))
        changed.wait(until: .now + .seconds(20)) { self.state.withLock { $0.running == 0 } }
        Glibc.close(listener)
    }

    private func spawn(_ body: @escaping @Sendable (ScriptedServer) -> Void) {
        state.withLock { $0.running += 1 }
        Thread.detachNewThread { [self] in
            body(self)
            state.withLock { $0.running -= 1 }
            changed.notify()
        }
    }

    private func accept() {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            let isClosed = state.withLock { state in
                state.open.insert(descriptor)
                return state.isClosed
            }
            if isClosed { shutdown(descriptor, Int32(SHUT_RDWR)) }
            spawn { $0.serve(descriptor) }
        }
    }

    private func serve(_ descriptor: Int32) {
        if let (head, body) = Self.readRequest(descriptor) {
            let connection = state.withLock { state in
                let connection = Connection(
                    index: state.requests.count, head: head, bytes: body, descriptor: descriptor)
                state.requests.append(connection)
                return connection
            }
            changed.notify()
            handler(connection)
        }
        state.withLock { state in
            state.open.remove(descriptor)
            Glibc.close(descriptor)
        }
        changed.notify()
    }

    private static func readRequest(_ descriptor: Int32) -> (head: String, body: [UInt8])? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        // Known when the head is complete: the head, and where the body begins and ends.
        var found: (head: String, start: Int, end: Int)?
        while true {
            if found == nil, let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
                let field = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                let length = field.flatMap { Int($0.dropFirst(15).filter(\.isNumber)) } ?? 0
                found = (head, end.upperBound, end.upperBound + length)
            }
            if let found, bytes.count >= found.end { return (found.head, Array(bytes[found.start...])) }
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count <= 0 { return nil }
            bytes += buffer[..<count]
        }
    }
}
