import COpenSSLTLS
import Core
import Glibc
import Synchronization

/// Takes TLS connections on a free port of 127.0.0.1 and passes their bytes on to a plain port, one thread a connection.
package final class TLSFrontend: Sendable {
    /// Where it listens.
    package let port: Int
    private let listener: Int32
    private let backend: Int
    private let authority: CertificateAuthority
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var kind: CertificateKind
        var isStopped = false
        var open: Set<Int32> = []
        var running = 0
    }

    /// - Parameters:
    ///   - authority: signs its certificates.
    ///   - kind: what connections meet at first.
    ///   - backend: the plain port of 127.0.0.1.
    /// - Throws: `Failure` (unavailable) when no port can be had.
    package init(_ authority: CertificateAuthority, _ kind: CertificateKind, backend: Int) throws(Failure) {
        self.authority = authority
        self.backend = backend
        state = Mutex(State(kind: kind))
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isListening = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(listener, address, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isListening else { throw Failure(.unavailable, "\(FileError("listen", "127.0.0.1"))") }
        port = Int(UInt16(bigEndian: address.sin_port))
        // OpenSSL writes without MSG_NOSIGNAL.
        signal(SIGPIPE, SIG_IGN)
        run { $0.accept() }
    }

    /// What new connections meet.
    package var kind: CertificateKind {
        get { state.withLock { $0.kind } }
        set { state.withLock { $0.kind = newValue } }
    }

    /// Ends every connection and waits for the threads.
    package func stop() {
        state.withLock { state in
            state.isStopped = true
            for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
        while state.withLock({ $0.running }) > 0 { usleep(1000) }
        close(listener)
    }

    private func run(_ body: @escaping @Sendable (TLSFrontend) -> Void) {
        state.withLock { $0.running += 1 }
        detachThread { [self] in
            body(self)
            state.withLock { $0.running -= 1 }
        }
    }

    private func accept() {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            run { $0.serve(descriptor) }
        }
    }

    private func serve(_ client: Int32) {
        let plain = connectLoopback(backend)
        let isOpen = state.withLock { state in
            if !state.isStopped { state.open.formUnion([client, plain]) }
            return !state.isStopped
        }
        if isOpen, plain >= 0 {
            if kind == .cut { cutHandshake(client) } else { relay(client, plain) }
        }
        state.withLock { $0.open.subtract([client, plain]) }
        close(client)
        if plain >= 0 { close(plain) }
    }

    /// Answers the client's hello with the first bytes of a record and no more.
    private func cutHandshake(_ client: Int32) {
        var hello = [UInt8](repeating: 0, count: 64)
        _ = unsafe hello.withUnsafeMutableBytes { unsafe recv(client, $0.baseAddress, $0.count, 0) }
        let record: [UInt8] = [0x16, 3, 3, 0, 0x7a]
        _ = unsafe record.withUnsafeBytes { unsafe send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    private func relay(_ client: Int32, _ plain: Int32) {
        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else { return }
        defer { unsafe SSL_CTX_free(context) }
        let kind = kind
        guard unsafe SSL_CTX_use_certificate_file(context, authority.certificate(kind), SSL_FILETYPE_PEM) == 1,
            unsafe SSL_CTX_use_PrivateKey_file(context, authority.key(kind), SSL_FILETYPE_PEM) == 1,
            let session = unsafe SSL_new(context)
        else { return }
        defer { unsafe SSL_free(session) }
        guard unsafe SSL_set_fd(session, client) == 1, unsafe SSL_accept(session) == 1 else { return }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            if unsafe SSL_pending(session) == 0 {
                var wanted = [
                    pollfd(fd: client, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: plain, events: Int16(POLLIN), revents: 0),
                ]
                guard unsafe poll(&wanted, 2, -1) > 0 else { return }
                if wanted[1].revents != 0 {
                    let count = unsafe recv(plain, &buffer, buffer.count, 0)
                    if count == 0 { unsafe SSL_shutdown(session) }
                    guard count > 0, unsafe SSL_write(session, buffer, Int32(count)) == count else { return }
                }
                if wanted[0].revents == 0 { continue }
            }
            let count = unsafe SSL_read(session, &buffer, Int32(buffer.count))
            guard count > 0, unsafe send(plain, buffer, Int(count), Int32(MSG_NOSIGNAL)) == Int(count) else { return }
        }
    }
}

/// Starts a detached thread; the caller counts it.
private func detachThread(_ body: @escaping @Sendable () -> Void) {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
    let code = unsafe pthread_create(
        &thread, nil,
        { context in
            guard let context = unsafe context else { return nil }
            unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
            return nil
        }, context)
    if code == 0 { pthread_detach(thread) }
}

private func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    address.sin_port = UInt16(clamping: port).bigEndian
    return address
}

/// A connected socket, or -1.
private func connectLoopback(_ port: Int) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = loopback(port: port)
    let isConnected = unsafe withUnsafePointer(to: &address) { address in
        unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
    if isConnected { return descriptor }
    close(descriptor)
    return -1
}
