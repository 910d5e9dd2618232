import Core
import Glibc
import Operations
import Sandbox
import Synchronization
import TestSupport
import Testing

/// A connection that is accepted at the moment of the stop must not end the process.
@Suite("Servers that are stopped while clients connect", .timeLimit(.minutes(5)))
struct ServerStopTests {
    private static let rounds = 15

    @Test("the server of metrics and health")
    func operations() async throws {
        for _ in 0..<Self.rounds {
            let server = try HTTPServer(ListenSettings(host: "127.0.0.1", port: 0)) { _ in HTTPAnswer(body: "") }
            try await Clients().during(port: server.port) { try await blocking { server.stop() } }
        }
    }

    /// What is cancelled by another thread can block both, as the library's tasks hold locks while they begin to wait.
    @Test("a request in progress is cancelled by the thread that answers it")
    func cancellation() async throws {
        let asked = Mutex<pthread_t?>(nil)
        let cancelled = Mutex<pthread_t?>(nil)
        let server = try HTTPServer(ListenSettings(host: "127.0.0.1", port: 0)) { _ in
            await withTaskCancellationHandler {
                asked.withLock { $0 = pthread_self() }
                try? await Task.sleep(for: .seconds(60))
                return HTTPAnswer(body: "")
            } onCancel: {
                cancelled.withLock { $0 = pthread_self() }
            }
        }
        let client = try TCPConnection.open(host: "127.0.0.1", port: server.port, patience: .seconds(1))
        defer { close(client) }
        let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        #expect(unsafe write(client, request, request.utf8.count) == request.utf8.count)
        #expect(try await holds { asked.withLock { $0 } != nil })
        try await blocking { server.stop() }
        let (answering, cancelling) = (asked.withLock { $0 }, cancelled.withLock { $0 })
        #expect(cancelling != nil && cancelling == answering)
    }

    @Test("the simulator of X")
    func simulator() async throws {
        for _ in 0..<Self.rounds {
            let simulator = XSimulator()
            try await simulator.start()
            let port = try #require(simulator.plainURL.split(separator: ":").last.flatMap { Int($0) })
            try await Clients().during(port: port) { await simulator.stop() }
        }
    }
}

/// Clients that connect and leave, again and again.
private final class Clients: Sendable {
    private let connects = Atomic(0)
    private let isOver = Atomic(false)

    /// Runs `body` once some clients have been there, while more of them come.
    func during(port: Int, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1...3 { group.addTask { try await blocking { self.connect(to: port) } } }
            #expect(try await holds { connects.load(ordering: .relaxed) > 40 })
            try await body()
            isOver.store(true, ordering: .releasing)
            try await group.waitForAll()
        }
    }

    private func connect(to port: Int) {
        while !isOver.load(ordering: .acquiring) {
            guard let socket = try? TCPConnection.open(host: "127.0.0.1", port: port, patience: .seconds(1)) else {
                continue
            }
            connects.add(1, ordering: .relaxed)
            close(socket)
        }
    }
}
