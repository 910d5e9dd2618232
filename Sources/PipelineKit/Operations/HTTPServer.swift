package import Core
import Glibc
import HTTPTypes
import Hummingbird
package import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Answers HTTP requests about a service, on one thread of its own that waits for nothing but sockets.
package final class OperationsServer: Sendable {
    private let task: Task<Void, any Error>
    private let group: MultiThreadedEventLoopGroup
    private let run: ServerRun

    /// Until the port is open, and until everything is closed.
    private static let patience = Duration.seconds(5)

    /// Starts serving; returns when the port is open.
    ///
    /// - Parameters:
    ///   - settings: where; nil for nowhere.
    ///   - endpoints: what is answered.
    ///   - logger: gets where it listens, or why it does not.
    /// - Returns: the server; nil when it does not serve.
    /// - Throws: `SettingsError` when a chosen address cannot be listened on. A default address that is taken is only logged.
    package static func start(
        _ settings: ListenSettings?, _ endpoints: OperationsEndpoints, logger: Logger
    ) throws(SettingsError) -> OperationsServer? {
        guard let settings else { return nil }
        do {
            let server = try OperationsServer(settings, endpoints)
            logger.info(
                "answering HTTP requests for metrics and health", metadata: ["address": "\(settings.description)"])
            return server
        } catch {
            guard !settings.isChosen else {
                throw SettingsError(
                    "LISTEN (--listen): cannot listen on \(settings.description): \(reason(error))")
            }
            logger.warning(
                "cannot listen on the default address; the service runs without metrics and probes",
                metadata: [
                    "address": "\(settings.description)", "reason": "\(reason(error))",
                    "remedy": "set LISTEN to a free address, or to off",
                ])
            return nil
        }
    }

    private static func reason(_ error: any Error) -> String {
        (error as? IOError).map { unsafe String(cString: strerror($0.errnoCode)) } ?? "\(error)"
    }

    private init(_ settings: ListenSettings, _ endpoints: OperationsEndpoints) throws {
        let token = try settings.tokenFile.map { (path) throws(FileError) in try StatusToken(path) }
        let isLoopback = settings.isLoopback
        let responder = CallbackResponder<BasicRequestContext> { request, _ in
            let answer = endpoints.answer(.init(request), isLoopback: isLoopback, token: token)
            return Response(answer, isHead: request.method == .head)
        }
        var quiet = Logger(label: "operations")
        quiet.logLevel = .critical
        let (group, run) = (MultiThreadedEventLoopGroup(numberOfThreads: 1), ServerRun())
        let application = Application(
            responder: responder, server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: .init(address: .hostname(settings.host, port: settings.port)),
            onServerRunning: { _ in run.note(.open) }, eventLoopGroupProvider: .shared(group), logger: quiet)
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
        if let failure = run.failureToOpen(within: Self.patience) {
            stop()
            throw failure
        }
    }

    /// Closes the port and all connections, and ends the thread.
    package func stop() {
        task.cancel()
        guard run.hasEnded(within: Self.patience) else { return }
        try? group.syncShutdownGracefully()
    }
}

/// How far a server is, for the thread that has started it.
private final class ServerRun: Sendable {
    enum State {
        case starting
        case open
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
    /// - Returns: nil when it is.
    func failureToOpen(within patience: Duration) -> (any Error)? {
        signal.wait(until: .now + patience) { if case .starting = state.withLock({ $0 }) { false } else { true } }
        return switch state.withLock({ $0 }) {
        case .open: nil
        case .starting: NotServing("the port was not opened within \(patience.short)")
        case .ended(let error): error ?? NotServing("the server has ended")
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

extension OperationsEndpoints.Request {
    fileprivate init(_ request: Request) {
        self.init(
            method: request.method.rawValue, path: request.uri.path,
            checks: Self.checks(request.uri.query ?? ""), host: request.head.authority,
            accept: request.headers[.accept],
            authorization: request.headers[.authorization])
    }

    /// The names in `check=a,b`, which needs no escapes.
    private static func checks(_ query: String) -> [String] {
        query.split(separator: "&").filter { $0.hasPrefix("check=") }
            .flatMap { $0.dropFirst("check=".count).split(separator: ",").map(String.init) }
    }
}

extension Response {
    fileprivate init(_ answer: OperationsEndpoints.Answer, isHead: Bool) {
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
