internal import Core
import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
internal import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Answers HTTP requests, on one thread of its own that waits for nothing but sockets.
package final class HTTPServer: Sendable {
    /// What protects a server from its clients.
    package struct Limits: Sendable {
        /// Connections at once, at most; further ones wait in the kernel's queue. Nil: any number.
        package var connections: Int?
        /// How long a connection may be open without a whole request, or idle between two of them.
        package var patience: Duration
        /// Bytes of a body; 0: bodies are not read.
        package var body: Int

        package init(connections: Int? = nil, patience: Duration = .seconds(60), body: Int = 0) {
            (self.connections, self.patience, self.body) = (connections, patience, body)
        }
    }

    private let task: Task<Void, any Error>
    private let group: MultiThreadedEventLoopGroup
    private let run: ServerRun
    /// The port that is open, also when any free one was asked for.
    package let port: Int

    /// Until the port is open, and until everything is closed.
    private static let patience = Duration.seconds(5)

    /// Starts serving; returns when the port is open.
    ///
    /// - Parameters:
    ///   - settings: where.
    ///   - limits: of clients.
    ///   - answer: answers a request. It runs on the server's thread, so it must not block.
    /// - Throws: why the address cannot be listened on; `reason(_:)` has it in words.
    package init(
        _ settings: ListenSettings, _ limits: Limits = Limits(),
        answer: @escaping @Sendable (HTTPQuestion) async -> HTTPAnswer
    ) throws {
        let responder = CallbackResponder<BasicRequestContext> { request, _ in
            let body = limits.body > 0 ? try? await request.body.collect(upTo: limits.body) : nil
            return Response(await answer(HTTPQuestion(request, body)), isHead: request.method == .head)
        }
        let (group, run) = (MultiThreadedEventLoopGroup(numberOfThreads: 1), ServerRun())
        let application = Self.application(settings, limits, responder, group, run)
        // Everything happens on the thread of the event loop; Swift's own pool would start one for each processor.
        task = Task(executorPreference: EventLoopExecutor(group.next())) {
            do {
                try await application.run()
                run.note(.ended(nil))
            } catch {
                run.note(.ended(error))
                throw error
            }
        }
        (self.group, self.run) = (group, run)
        do { port = try run.port(within: Self.patience) } catch {
            Self.stop(task, group, run)
            throw error
        }
    }

    private static func application(
        _ settings: ListenSettings, _ limits: Limits, _ responder: CallbackResponder<BasicRequestContext>,
        _ group: MultiThreadedEventLoopGroup, _ run: ServerRun
    ) -> some ApplicationProtocol {
        var quiet = Logger(label: "http")
        quiet.logLevel = .critical
        let patience = TimeAmount.milliseconds(limits.patience.milliseconds)
        return Application(
            responder: responder,
            server: HTTPServerBuilder { responder in
                LateSetup(
                    HTTP1Channel(
                        responder: responder,
                        configuration: .init(
                            additionalChannelHandlers: [RequestDeadline(patience)], idleTimeout: patience)))
            },
            configuration: .init(
                address: .hostname(settings.host, port: settings.port),
                availableConnectionsDelegate: limits.connections.map { [quiet] in
                    MaximumAvailableConnections($0, logger: quiet)
                }),
            onServerRunning: { channel in run.note(.open(port: channel.localAddress?.port ?? settings.port)) },
            eventLoopGroupProvider: .shared(group), logger: quiet)
    }

    /// Why a server could not be started, in words.
    ///
    /// - Parameter error: what its start has thrown.
    /// - Returns: the system's words where it was the system.
    package static func reason(_ error: any Error) -> String {
        (error as? IOError).map { unsafe String(cString: strerror($0.errnoCode)) } ?? "\(error)"
    }

    /// Closes the port and all connections, and ends the thread.
    package func stop() { Self.stop(task, group, run) }

    private static func stop(_ task: Task<Void, any Error>, _ group: MultiThreadedEventLoopGroup, _ run: ServerRun) {
        // By the thread that runs the task. The library waits for a date each second and holds a lock while it begins to; its task's
        // executor is then asked for, which takes a lock of the task. A cancellation takes the two in the other order, so between
        // two threads each can wait for the other for ever (swift-async-algorithms 1.1.4, MergeStorage.next).
        if !run.hasEnded(within: .zero) { group.next().execute { task.cancel() } }
        guard run.hasEnded(within: patience) else { return }
        try? group.syncShutdownGracefully()
    }
}

/// How far a server is, for the thread that has started it.
private final class ServerRun: Sendable {
    enum State {
        case starting
        case open(port: Int)
        /// With why; nil after a stop.
        case ended((any Error)?)
    }

    private let state = Mutex<State>(.starting)
    private let signal = Signal()

    func note(_ new: State) {
        state.withLock { $0 = new }
        signal.notify()
    }

    /// Waits until the port is open.
    ///
    /// - Returns: the port.
    /// - Throws: why it is not open.
    func port(within patience: Duration) throws -> Int {
        signal.wait(until: .now + patience) { if case .starting = state.withLock({ $0 }) { false } else { true } }
        switch state.withLock({ $0 }) {
        case .open(let port): return port
        case .starting: throw NotServing("the port was not opened within \(patience.short)")
        case .ended(let error): throw error ?? NotServing("the server has ended")
        }
    }

    func hasEnded(within patience: Duration) -> Bool {
        signal.wait(until: .now + patience) { if case .ended = state.withLock({ $0 }) { true } else { false } }
    }
}

/// Why a server does not serve.
private struct NotServing: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Runs tasks on the thread of an event loop.
private final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) {
        self.loop = loop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

extension HTTPQuestion {
    fileprivate init(_ request: Request, _ body: ByteBuffer?) {
        var fields: [String: String] = [:]
        for field in request.headers { fields[field.name.canonicalName] = field.value }
        self.init(
            method: request.method.rawValue, path: request.uri.path, query: request.uri.query ?? "",
            host: request.head.authority, fields: fields, body: body.map { String(buffer: $0) } ?? "")
    }
}

extension Response {
    fileprivate init(_ answer: HTTPAnswer, isHead: Bool) {
        var fields: HTTPFields = [
            .contentType: answer.contentType, .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
            .contentLength: "\(answer.body.utf8.count)",
        ]
        for (name, value) in answer.fields {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        self.init(
            status: .init(code: answer.status), headers: fields,
            body: isHead ? .init() : .init(byteBuffer: ByteBuffer(string: answer.body)))
    }
}
