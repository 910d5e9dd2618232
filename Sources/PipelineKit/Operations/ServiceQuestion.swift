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
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, "\(settings.port)", &hints, &found)
        guard code == 0 else {
            throw unsafe ServiceSilence("\(place): \(String(cString: gai_strerror(code)))")
        }
        defer { unsafe freeaddrinfo(found) }
        var reason = "there is no such address"
        var next = unsafe found
        while let address = unsafe next?.pointee {
            let kind = unsafe address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue)
            let descriptor = unsafe socket(address.ai_family, kind, address.ai_protocol)
            if descriptor >= 0 {
                Self.bound(descriptor, patience)
                if unsafe Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return descriptor }
                reason = unsafe String(cString: strerror(errno))
                close(descriptor)
            }
            unsafe next = address.ai_next
        }
        throw ServiceSilence("nothing answers at \(place): \(reason)")
    }

    /// socket(7): the time-outs bound connect(2), send(2) and recv(2).
    private static func bound(_ descriptor: Int32, _ patience: Duration) {
        let (seconds, attoseconds) = patience.components
        var time = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
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
