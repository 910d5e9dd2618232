import Glibc

/// Why a server could not be connected to.
package struct TCPConnectError: Error, CustomStringConvertible {
    package let description: String
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
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, "\(port)", &hints, &found)
        guard code == 0 else { throw unsafe TCPConnectError(description: String(cString: gai_strerror(code))) }
        defer { unsafe freeaddrinfo(found) }
        var reason = "there is no such address"
        var next = unsafe found
        while let address = unsafe next?.pointee {
            let kind = unsafe address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue)
            let descriptor = unsafe socket(address.ai_family, kind, address.ai_protocol)
            if descriptor >= 0 {
                bound(descriptor, patience)
                if unsafe connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return descriptor }
                // connect(2) ends with EINPROGRESS when SO_SNDTIMEO has passed (socket(7)).
                let isLate = errno == EINPROGRESS
                reason = isLate ? "no answer in \(patience.short)" : unsafe String(cString: strerror(errno))
                close(descriptor)
            }
            unsafe next = address.ai_next
        }
        throw TCPConnectError(description: reason)
    }

    /// socket(7): the time-outs bound connect(2), send(2) and recv(2).
    private static func bound(_ descriptor: Int32, _ patience: Duration) {
        let (seconds, attoseconds) = patience.components
        var time = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }
}
