import Core
import FoundationEssentials
import Glibc

/// Receives one redirect of a browser on this machine, on the port of the callback URL.
final class RedirectListener {
    private let socket: Int32
    private let path: String

    /// Listens, so that the port is open before the browser is.
    ///
    /// - Parameter callback: an address of this machine, such as `http://127.0.0.1:8723/callback`.
    /// - Throws: `Failure` when it is not one, or the port is taken.
    init(_ callback: String) throws {
        guard let url = URL(string: callback), url.scheme == "http", let host = url.host(),
            ["127.0.0.1", "localhost"].contains(host), let port = url.port.flatMap({ UInt16(exactly: $0) })
        else {
            throw Failure(
                .badSettings, "--listen needs X_CALLBACK_URL with http, 127.0.0.1 and a port; it is '\(callback.plain)'"
            )
        }
        path = url.path().isEmpty ? "/" : url.path()
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let isBound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard isBound == 0, Glibc.listen(socket, 4) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            close(socket)
            throw Failure(.unavailable, "cannot listen on port \(port) of X_CALLBACK_URL: \(reason)")
        }
    }

    deinit { close(socket) }

    /// Waits for the redirect, and shows the browser that the work is done.
    ///
    /// - Parameter time: how long at most.
    /// - Returns: path and query.
    /// - Throws: `Failure` when none came.
    func wait(for time: Duration) throws -> String {
        let deadline = ContinuousClock.now + time
        while ContinuousClock.now < deadline {
            var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&descriptor, 1, 200) > 0 else { continue }
            let client = accept(socket, nil, nil)
            guard client >= 0 else { continue }
            defer { close(client) }
            guard let target = Self.target(client), target.hasPrefix(path + "?") else {
                Self.answer(client, "404 Not Found", "not here")
                continue
            }
            Self.answer(client, "200 OK", "You can close this page.")
            return target
        }
        throw Failure(.unavailable, "no redirect came within \(time.short); log in again")
    }

    /// The target of a request's first line.
    private static func target(_ client: Int32) -> String? {
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        unsafe setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while received.count < 16_384, !received.contains(10) {
            let count = unsafe recv(client, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            received += buffer[..<count]
        }
        let line = String(decoding: received.prefix { $0 != 13 && $0 != 10 }, as: UTF8.self)
        let words = line.split(separator: " ")
        return words.count == 3 && words[0] == "GET" ? String(words[1]) : nil
    }

    private static func answer(_ client: Int32, _ status: String, _ text: String) {
        let bytes = Array(
            "HTTP/1.1 \(status)\r\nContent-Type: text/plain\r\nContent-Length: \(text.utf8.count)\r\nConnection: close\r\n\r\n\(text)"
                .utf8)
        unsafe send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}
