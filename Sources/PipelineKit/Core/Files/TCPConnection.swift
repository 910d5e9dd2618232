import Glibc

/// Why a server could not be connected to.
package struct TCPConnectError: Error, CustomStringConvertible {
    package let description: String
}

/// A server by its name.
package struct TCPServer: Sendable, Hashable, CustomStringConvertible {
    /// A name or an address, without brackets.
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        (self.host, self.port) = (host, port)
    }

    package var description: String { "\(host) port \(port)" }

    /// All addresses that the resolver gives, in the order in which clients try them (getaddrinfo(3), gai.conf(5)).
    ///
    /// - Returns: each one once.
    /// - Throws: `TCPConnectError` with the resolver's reason.
    package func addresses() throws(TCPConnectError) -> [TCPAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, "\(port)", &hints, &found)
        guard code == 0 else { throw unsafe TCPConnectError(description: String(cString: gai_strerror(code))) }
        defer { unsafe freeaddrinfo(found) }
        var addresses: [TCPAddress] = []
        var next = unsafe found
        while let entry = unsafe next?.pointee {
            if let address = unsafe TCPAddress(entry, port: port), !addresses.contains(address) {
                addresses.append(address)
            }
            unsafe next = entry.ai_next
        }
        return addresses
    }
}

/// One address of a server.
package struct TCPAddress: Sendable, Hashable, CustomStringConvertible {
    /// In figures, such as `192.0.2.1` or `2001:db8::1`.
    package let host: String
    package let port: Int
    package let isIPv6: Bool
    /// As connect(2) wants it.
    private let bytes: [UInt8]

    package var description: String { "\(host) port \(port)" }

    fileprivate init?(_ entry: addrinfo, port: Int) {
        guard let address = unsafe entry.ai_addr else { return nil }
        var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let code = unsafe getnameinfo(
            address, entry.ai_addrlen, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST)
        guard code == 0 else { return nil }
        host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.port = port
        isIPv6 = unsafe entry.ai_family == AF_INET6
        bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen)))
    }

    /// Connects.
    ///
    /// - Parameter patience: also for each later read and write.
    /// - Returns: a socket that the caller closes.
    /// - Throws: `TCPConnectError` with the system's reason.
    package func open(patience: Duration) throws(TCPConnectError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, kind, 0)
        guard descriptor >= 0 else { throw TCPConnectError(description: unsafe String(cString: strerror(errno))) }
        bound(descriptor, patience)
        let code = unsafe bytes.withUnsafeBytes { bytes in
            unsafe connect(
                descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        if code == 0 { return descriptor }
        // connect(2) ends with EINPROGRESS when SO_SNDTIMEO has passed (socket(7)).
        let isLate = errno == EINPROGRESS
        let reason = isLate ? "no answer in \(patience.short)" : unsafe String(cString: strerror(errno))
        close(descriptor)
        throw TCPConnectError(description: reason)
    }

    /// socket(7): the time-outs bound connect(2), send(2) and recv(2).
    private func bound(_ descriptor: Int32, _ patience: Duration) {
        let (seconds, attoseconds) = patience.components
        var time = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }
}

/// Opens TCP connections for commands that look at a server.
package enum TCPConnection {
    /// Connects to the first address of a name that accepts.
    ///
    /// - Parameters:
    ///   - host: a name or an address, without brackets.
    ///   - port: the port.
    ///   - patience: for each address, and for each later read and write.
    /// - Returns: a socket that the caller closes.
    /// - Throws: `TCPConnectError` with the reason of the last address.
    package static func open(host: String, port: Int, patience: Duration) throws(TCPConnectError) -> Int32 {
        var failure = TCPConnectError(description: "there is no such address")
        for address in try TCPServer(host: host, port: port).addresses() {
            do throws(TCPConnectError) { return try address.open(patience: patience) } catch { failure = error }
        }
        throw failure
    }
}
