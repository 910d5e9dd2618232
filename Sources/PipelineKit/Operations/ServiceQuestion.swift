internal import Core
import Glibc

/// Why a running service could not be asked.
package struct ServiceSilence: Error, CustomStringConvertible {
    package let description: String

    /// - Parameter description: the reason, which names the address.
    package init(_ description: String) {
        self.description = description
    }
}

/// A question to a service over HTTP, by a command that waits for the answer. Needs no library.
package struct ServiceQuestion: Sendable {
    private let settings: ListenSettings

    /// - Parameter settings: where the service listens, and the token that it asks for.
    package init(_ settings: ListenSettings) {
        self.settings = settings
    }

    /// Asks for a path.
    ///
    /// - Parameters:
    ///   - path: such as `/healthz`.
    ///   - patience: for the whole answer.
    /// - Returns: status and body.
    /// - Throws: `ServiceSilence` when nothing answers, or when that is no HTTP.
    package func ask(
        _ path: String, patience: Duration = .seconds(5)
    ) throws(ServiceSilence) -> (status: Int, body: String) {
        let deadline = ContinuousClock.now + patience
        let descriptor = try connect(patience)
        defer { close(descriptor) }
        try send(try request(path), to: descriptor)
        let bytes = try receive(from: descriptor, until: deadline)
        guard let text = String(validating: bytes, as: UTF8.self), text.hasPrefix("HTTP/1."),
            let end = text.firstRange(of: "\r\n\r\n"), let status = Int(text.dropFirst(9).prefix(3))
        else { throw ServiceSilence("\(place) does not answer in HTTP") }
        return (status, String(text[end.upperBound...]))
    }

    /// The address, for messages.
    package var place: String { settings.description }

    private func request(_ path: String) throws(ServiceSilence) -> String {
        var lines = ["GET \(path) HTTP/1.1", "Host: \(place)", "Connection: close"]
        if let file = settings.tokenFile {
            do throws(FileError) {
                lines.append("Authorization: Bearer \(String(decoding: try StatusToken.read(file), as: UTF8.self))")
            } catch {
                throw ServiceSilence("the token cannot be read: \(error)")
            }
        }
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    /// A service that listens on every address is asked on the loopback.
    private var host: String {
        switch settings.host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: settings.host
        }
    }

    private func connect(_ patience: Duration) throws(ServiceSilence) -> Int32 {
        do throws(TCPConnectError) {
            return try TCPConnection.open(host: host, port: settings.port, patience: patience)
        } catch {
            throw ServiceSilence("nothing answers at \(place): \(error)")
        }
    }

    private func send(_ text: String, to descriptor: Int32) throws(ServiceSilence) {
        let bytes = Array(text.utf8)
        // It is smaller than any socket's buffer.
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard sent == bytes.count else { throw ServiceSilence("\(place) does not accept the question") }
    }

    private func receive(
        from descriptor: Int32, until deadline: ContinuousClock.Instant
    ) throws(ServiceSilence) -> [UInt8] {
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16_384)
        while answer.count < 16 << 20 {
            let count = unsafe piece.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count == 0 { return answer }
            guard count > 0, ContinuousClock.now < deadline else {
                throw ServiceSilence("\(place) accepts connections, but does not answer")
            }
            answer += piece.prefix(count)
        }
        throw ServiceSilence("the answer of \(place) is too long")
    }
}
