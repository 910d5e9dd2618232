import Core
import Glibc
import Synchronization

/// Serves lines over HTTP as X's stream does, with blocking sockets, so that it costs next to nothing beside what is measured.
///
/// One client at a time. It gets the lines as fast as it takes them, or each at its time.
final class LineServer: Sendable {
    /// What a client gets.
    enum Program: Sendable {
        /// Blocks of chunked body that are ready to be sent, repeated up to a number of lines.
        case flatOut(LinePool, lines: Int)
        /// So many lines a second, each in a chunk of its own.
        case paced([[UInt8]], perSecond: Int)
        /// An answer without a body, which is never finished.
        case silence
    }

    /// What one client was sent.
    struct Delivery: Sendable {
        let accepted: ContinuousClock.Instant
        var began: ContinuousClock.Instant?
        /// When the system had taken the last byte; nil when the client left before.
        var ended: ContinuousClock.Instant?
        /// When the last byte of each paced line was handed to the system.
        var sent: [ContinuousClock.Instant] = []
    }

    let port: Int
    private let listener: Int32
    private let program: Program
    /// Whether the answer stays unfinished after the last line, as a quiet stream does.
    private let staysOpen: Bool
    private let isStopped = Atomic(false)
    private let state = Mutex<(client: Int32?, deliveries: [Delivery])>((nil, []))
    private let signal = Signal()

    /// - Throws: `Failure` (unavailable) when no port of 127.0.0.1 can be had.
    init(_ program: Program, staysOpen: Bool = true) throws(Failure) {
        self.program = program
        self.staysOpen = staysOpen
        port = try freePort()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(listener, generic, size) == 0 && listen(listener, 8) == 0
            }
        }
        guard isListening else { throw Failure(.unavailable, "\(FileError("listen", "127.0.0.1:\(port)"))") }
        _ = signalIgnored
    }

    var url: String { "http://127.0.0.1:\(port)" }

    /// Runs `body` while a thread serves.
    func serving<Value>(_ body: () throws -> Value) throws -> Value {
        let thread = JoinableThread(name: "line server") { self.serve() }
        let result = Result { try body() }
        stop()
        thread.join()
        return try result.get()
    }

    /// What the first client was sent so far; nil when none has come.
    var delivery: Delivery? { state.withLock { $0.deliveries.first } }

    /// Waits for the first client to connect or, when `isComplete`, to have been sent everything.
    ///
    /// - Throws: `Failure` (unavailable) after `timeout`.
    @discardableResult
    func wait(isComplete: Bool, atMost timeout: Duration) throws(Failure) -> Delivery {
        signal.wait(until: .now + timeout) {
            self.delivery.map { !isComplete || $0.ended != nil } ?? false
        }
        guard let delivery, !isComplete || delivery.ended != nil else {
            throw Failure(.unavailable, "the reader did not read all lines within \(timeout.short)")
        }
        return delivery
    }

    private func stop() {
        isStopped.store(true, ordering: .releasing)
        shutdown(listener, Int32(SHUT_RDWR))
        state.withLock { if let client = $0.client { shutdown(client, Int32(SHUT_RDWR)) } }
    }

    private func serve() {
        defer { close(listener) }
        while !isStopped.load(ordering: .acquiring) {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { continue }
            state.withLock { $0.client = client }
            let accepted = ContinuousClock.now
            if !isStopped.load(ordering: .acquiring), let request = readRequest(client) {
                if request.contains("/search/stream ") || request.contains("/search/stream?") {
                    serve(client, accepted)
                } else {
                    answerAtOnce(client)
                }
            }
            state.withLock { $0.client = nil }
            close(client)
        }
    }

    /// Beside the stream the producer reads the rules and what was used, over connections of their own: there are no rules,
    /// and nothing is said of what was used.
    private func answerAtOnce(_ client: Int32) {
        let body = #"{"meta":{"sent":"2026-01-01T00:00:00.000Z","result_count":0}}"#
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        _ = send(Array((head + "Connection: close\r\n\r\n" + body).utf8), to: client)
        shutdown(client, Int32(SHUT_WR))
    }

    private func serve(_ client: Int32, _ accepted: ContinuousClock.Instant) {
        let index = state.withLock { state in
            state.deliveries.append(Delivery(accepted: accepted))
            return state.deliveries.count - 1
        }
        signal.notify()
        var noDelay: Int32 = 1
        unsafe setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
        if case .silence = program { return waitForEnd(of: client) }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        guard send(Array(head.utf8), to: client) else { return }
        // A client that comes back, as after an end of the answer, finds a stream that has become quiet.
        if index > 0 { return waitForEnd(of: client) }
        update { $0.began = .now }
        guard sendLines(to: client) else { return }
        if !staysOpen { _ = send(Array("0\r\n\r\n".utf8), to: client) }
        update { $0.ended = .now }
        if !staysOpen { shutdown(client, Int32(SHUT_WR)) }
        waitForEnd(of: client)
    }

    private func update(_ change: (inout Delivery) -> Void) {
        state.withLock { change(&$0.deliveries[0]) }
        signal.notify()
    }

    private func sendLines(to client: Int32) -> Bool {
        switch program {
        case .flatOut(let pool, let lines):
            var left = lines
            while left > 0 {
                for block in pool.blocks where left > 0 {
                    guard send(block, to: client) else { return false }
                    left -= LinePool.linesPerBlock
                }
            }
            return true
        case .paced(let lines, let perSecond): return send(lines, perSecond: perSecond, to: client)
        case .silence: return true
        }
    }

    private func send(_ lines: [[UInt8]], perSecond: Int, to client: Int32) -> Bool {
        let start = ContinuousClock.now
        for (index, line) in lines.enumerated() {
            let due = start + .seconds(1) * index / perSecond
            let left = ContinuousClock.now.duration(to: due)
            if left > .zero { usleep(UInt32(clamping: left.milliseconds * 1000 + 500)) }
            guard send(LinePool.chunk(line + [13, 10]), to: client) else { return false }
            update { $0.sent.append(.now) }
        }
        return true
    }

    private func send(_ bytes: [UInt8], to client: Int32) -> Bool {
        unsafe bytes.withUnsafeBytes { buffer in
            var rest = unsafe buffer[...]
            while unsafe !rest.isEmpty {
                let count = unsafe write(client, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 {
                    if errno == EINTR { continue }
                    return false
                }
                unsafe rest = rest.dropFirst(count)
            }
            return true
        }
    }

    /// Reads up to the empty line that ends a request without a body.
    private func readRequest(_ client: Int32) -> String? {
        var request: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !request.suffix(4).elementsEqual([13, 10, 13, 10]), request.count < 65_536 {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(client, $0.baseAddress, $0.count) }
            guard count > 0 else { return nil }
            request += buffer[..<count]
        }
        return String(decoding: request, as: UTF8.self)
    }

    private func waitForEnd(of client: Int32) {
        var byte: UInt8 = 0
        while unsafe read(client, &byte, 1) > 0 {}
    }
}

/// A client that leaves must not end the process.
private let signalIgnored: Void = { _ = signal(SIGPIPE, SIG_IGN) }()
