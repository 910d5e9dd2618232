import Core
import Glibc

/// HTTP over a socket as a test writes it: any method, any header, slow or half.
package struct RawHTTP: Sendable {
    /// What came back.
    package struct Answer: Sendable {
        package let status: Int
        package let head: String
        package let body: String

        /// The value of a header field; nil when it is missing.
        package func field(_ name: String) -> String? {
            for line in head.split(separator: "\r\n").dropFirst() {
                let pair = line.split(separator: ":", maxSplits: 1)
                if pair.count == 2, pair[0].lowercased() == name.lowercased() {
                    return String(pair[1].drop { $0 == " " })
                }
            }
            return nil
        }
    }

    package struct NoAnswer: Error {
        let received: String
    }

    private let descriptor: Int32

    /// Connects; nil when nobody listens on the port of 127.0.0.1.
    package init?(_ port: Int) {
        guard let descriptor = Loopback.connect(port) else { return nil }
        self.descriptor = descriptor
    }

    /// Sends a text; false when the server has closed the connection.
    @discardableResult
    package func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Whether the server closes the connection in time, whatever it sends before.
    package func isClosed(within patience: Duration) -> Bool {
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            if let bytes = piece(until: deadline), bytes.isEmpty { return true }
        }
        return false
    }

    package func close() { Glibc.close(descriptor) }

    /// Reads until the server closes the connection.
    ///
    /// - Throws: `NoAnswer` when that is no HTTP, or not in time.
    package func answer(within patience: Duration = .seconds(60)) throws -> Answer {
        var bytes: [UInt8] = []
        let deadline = ContinuousClock.now + patience
        while let more = piece(until: deadline), !more.isEmpty { bytes += more }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n"), let status = Int(text.dropFirst(9).prefix(3)) else {
            throw NoAnswer(received: text)
        }
        return Answer(status: status, head: String(text[..<end.lowerBound]), body: String(text[end.upperBound...]))
    }

    /// Nil after the deadline; empty at the end.
    private func piece(until deadline: ContinuousClock.Instant) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let left = ContinuousClock.now.duration(to: deadline).milliseconds
        guard left > 0, unsafe poll(&waiting, 1, Int32(clamping: left)) > 0 else { return nil }
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer.prefix(count)) : []
    }

    /// Asks once, on a connection of its own.
    ///
    /// - Parameters:
    ///   - port: of 127.0.0.1.
    ///   - path: with its query.
    ///   - method: such as `GET`.
    ///   - host: the header `Host`; nil for none.
    ///   - fields: further header fields.
    ///   - body: sent with its length.
    /// - Returns: the answer.
    /// - Throws: `NoAnswer`.
    package static func ask(
        _ port: Int, _ path: String, method: String = "GET", host: String? = "localhost", fields: [String] = [],
        body: String? = nil
    ) throws -> Answer {
        guard let connection = RawHTTP(port) else { throw NoAnswer(received: "") }
        defer { connection.close() }
        var lines = ["\(method) \(path) HTTP/1.1", "Connection: close"] + fields
        if let host { lines.append("Host: \(host)") }
        if let body { lines.append("Content-Length: \(body.utf8.count)") }
        connection.send(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
        return try connection.answer()
    }
}
