import Core
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Operations
import Synchronization

/// X's API v2 as far as the pipeline uses it, on a free port of 127.0.0.1, with faults on demand and a record of its own.
///
/// Tests use it in their own process; `sandbox x` runs it in the foreground with the same faults over HTTP (`GET /sandbox`).
package final class XSimulator: Sendable {
    /// How the simulator behaves.
    package struct Configuration: Sendable {
        package var feed = FeedSource.generator(seed: 1, count: nil)
        /// Lines a second; nil as fast as the client takes them.
        package var rate: Double? = 50
        /// Whether lines are issued while no client is connected, as X does: they are then lost, unless redelivered. Else the
        /// feed waits, and every line is written to some connection.
        package var losesWhileAway = false
        /// A new connection begins with lines issued this long before the last one ended, as with X's backfill:
        /// a client that was killed gets again what it had not read, and some of what it had.
        package var redelivery = Duration.zero
        /// The time between keep-alives; X's is 20 s.
        package var keepAlive = Duration.seconds(20)
        package var bearerToken = "sandbox-token"
        /// How many connections to the stream at a time.
        package var connectionLimit = 1
        /// Whether a connection beyond the limit closes the oldest one; else it is refused.
        package var displacesConnections = false
        /// How long a connection that has ended counts as open.
        package var linger = Duration.zero
        /// Whether backfill and recovery are there; else they are refused with 403.
        package var isEnterprise = true
        /// How far ahead of the real time the simulator begins; negative: behind.
        package var clockOffset = Duration.zero
        /// Serves https as well, with a certificate of this kind; nil: http only.
        package var certificate: CertificateKind?
        /// What is to happen by itself.
        package var scenario = Scenario()
        /// Whether more than 50 connects in 15 minutes (and 450 reads, 100 changes of rules) are refused.
        package var enforcesRateLimits = true
        package var maximalRules = 1000
        /// In code points.
        package var maximalRuleLength = 1024
        /// The operators that the endpoint of rules accepts; nil: all.
        package var ruleOperators: Set<String>?
        /// 0: any free port.
        package var port = 0

        /// The defaults: an endless generated feed at 50 lines a second.
        package init() {}
    }

    let rules: RuleBook
    let feed: Feed
    /// The simulator's time.
    package let clock: SandboxClock
    let record: StreamRecord
    let samples: SampleChannels
    let search: SearchEndpoint
    let faults = FaultQueue()
    let limits: RateLimits
    let account = AccountEndpoints()
    let follows = FollowingEndpoint()
    let users = UserAccounts()
    let history = RuleHistory()
    let keepAlive: Duration
    let connectionLimit: Int
    let configuration: Configuration
    private let token: Mutex<String>
    private let server = Mutex<Server>(Server())
    private let queue = SimulatorQueue()

    private struct Server {
        var task: Task<Void, any Error>?
        var port = 0
        var authority: CertificateAuthority?
        var tls: TLSFrontend?
    }

    package init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        clock = SandboxClock(offset: configuration.clockOffset)
        let feed = Feed(configuration.feed, rate: configuration.rate, clock: clock)
        self.feed = feed
        record = StreamRecord(clock: clock)
        samples = SampleChannels(configuration, clock: clock)
        search = SearchEndpoint(feed: feed, record: record)
        rules = RuleBook(
            maximalCount: configuration.maximalRules, maximalLength: configuration.maximalRuleLength,
            operators: configuration.ruleOperators,
            onChange: { [history] rules in
                feed.setRules(rules)
                history.add(rules)
            })
        limits = RateLimits(
            [
                "GET stream": 50, "GET rules": 450, "POST rules": 100, "GET usage": 50, "GET counts": 300,
                "GET search": 450, "GET connections": 25, "DELETE connections": 25,
                "GET sample": 50, "GET sample10": 100, "GET users": 300,
            ], isEnforced: configuration.enforcesRateLimits, clock: clock)
        keepAlive = configuration.keepAlive
        connectionLimit = configuration.connectionLimit
        token = Mutex(configuration.bearerToken)
        linger = configuration.linger
    }

    /// Starts serving; returns when the port is open.
    ///
    /// - Throws: `Failure` (unavailable) when the port cannot be had.
    package func start() async throws {
        let (opened, continuation) = AsyncStream.makeStream(of: Int.self)
        let task = Task(executorPreference: queue) {
            defer { continuation.finish() }
            try await self.serve { continuation.yield($0) }
        }
        guard let port = await opened.first(where: { _ in true }) else {
            let reason = await task.result
            throw Failure(.unavailable, "the simulator could not listen on 127.0.0.1:\(configuration.port): \(reason)")
        }
        server.withLock { $0 = Server(task: task, port: port) }
        guard let kind = configuration.certificate else { return }
        let authority = try CertificateAuthority()
        let tls = try TLSFrontend(authority, kind, backend: port)
        server.withLock { ($0.authority, $0.tls) = (authority, tls) }
    }

    /// Closes everything; the record stays.
    package func stop() async {
        let (task, tls) = server.withLock { ($0.task.take(), $0.tls.take()) }
        guard let task else { return }
        tls?.stop()
        // By the queue that runs it, as `HTTPServer` does: between two threads, the library's locks can block both for ever.
        await Task(executorPreference: queue) { task.cancel() }.value
        _ = await task.result
    }

    /// The base URL for `X_URL`: https when there is a certificate.
    package var url: String {
        server.withLock { $0.tls.map { "https://localhost:\($0.port)" } } ?? plainURL
    }

    /// The base URL without TLS, which is there in any case.
    package var plainURL: String { "http://127.0.0.1:\(server.withLock { $0.port })" }

    /// What to trust (PEM) for `url`; nil without TLS.
    package var caFile: String? { server.withLock { $0.authority?.caFile } }

    /// What new TLS connections meet; nil without TLS, and setting it does nothing then.
    package var certificate: CertificateKind? {
        get { server.withLock { $0.tls?.kind } }
        set { if let newValue { server.withLock { $0.tls?.kind = newValue } } }
    }

    /// The token that is asked for; setting it refuses the old one from now on.
    package var bearerToken: String {
        get { token.withLock { $0 } }
        set { token.withLock { $0 = newValue } }
    }

    private func serve(_ onOpen: @escaping @Sendable (Int) -> Void) async throws {
        let router = Router(context: XContext.self)
        let stream = StreamEndpoint(simulator: self)
        let search = router.group("2/tweets/search")
        search.group("stream").add(middleware: XGate(simulator: self, endpoint: "stream"))
            .get { try await stream.answer($0, $1) }
        RulesEndpoint(rules: rules)
            .addRoutes(to: search.group("stream/rules").add(middleware: XGate(simulator: self, endpoint: "rules")))
        addAccountRoutes(to: router)
        addConnectionRoutes(to: router)
        addSearchRoutes(to: router)
        addSampleRoutes(to: router)
        addFollowingRoutes(to: router)
        addUserRoutes(to: router)
        ControlEndpoint(simulator: self).addRoutes(to: router.group("sandbox"))
        var logger = Logger(label: "sandbox.x")
        logger.logLevel = .critical
        let application = Application(
            router: router, server: HTTPServerBuilder { LateSetup(HTTP1Channel(responder: $0)) },
            configuration: .init(address: .hostname("127.0.0.1", port: configuration.port), serverName: "tsa_o"),
            onServerRunning: { channel in onOpen(channel.localAddress?.port ?? 0) }, logger: logger)
        let director = Task(executorPreference: queue) { await self.direct() }
        defer { director.cancel() }
        try await application.run()
    }
}

extension XSimulator {
    /// Adds rules as the API would, and returns all there are.
    @discardableResult
    package func addRules(_ rules: [(value: String, tag: String?)]) -> [StreamRule] {
        _ = self.rules.add(rules, isDryRun: false)
        return self.rules.all
    }

    /// Deletes rules by value, as if another client did.
    package func deleteRules(_ values: Set<String>) {
        _ = rules.delete(isDryRun: false) { values.contains($0.value) }
    }

    /// Lets something go wrong.
    package func inject(_ fault: Fault) {
        faults.add(fault)
    }

    /// Forgets the faults that are yet to happen.
    package func clearFaults() {
        faults.clear()
    }

    /// Issues no more lines; connections stay and get keep-alives.
    package func stopFeed() {
        for channel in channels { channel.feed.stop() }
    }

    /// Issues a number of lines now, whether a client is connected or not.
    package func issue(_ count: Int) {
        feed.issue(count)
    }

    /// Lets time pass at once; what becomes due in it is issued, if the feed has begun.
    package func advance(by duration: Duration) {
        clock.advance(by: duration)
        for feed in channels.map(\.feed) where feed.issued > 0 { feed.issueDue(position: feed.issued, wanted: 0) }
    }

    /// Lines a second from now on; nil as fast as the client takes them.
    package func setRate(_ rate: Double?) {
        for channel in channels { channel.feed.setRate(rate) }
    }

    /// Whether every line there is, of all streams, was issued and written, with nothing left to deliver.
    package var isDrained: Bool { channels.allSatisfy { isDrained($0.stream) } }

    /// What was written to whom, so far.
    package var connections: [StreamConnection] { record.connections }

    /// How often the stream was refused, by HTTP status.
    package var refusals: [Int: Int] { record.refused }

    /// When each attempt to read the stream came, refused or not.
    package var attempts: [Timestamp] { record.attempts }

    /// How many lines of the feed were issued.
    package var issuedCount: Int64 { feed.issued }

    /// The tweet id of an issued line; nil when it is no tweet.
    package func id(ofLine index: Int64) -> Int64? { feed.id(of: index) }

    /// An issued line as it was or would be sent, without its line end.
    package func bytes(ofLine index: Int64) -> [UInt8] { feed.line(index).bytes }

    /// Where a new connection begins.
    func firstLine(of channel: StreamChannel, backfill: Duration) -> Int64 {
        let (feed, record) = (channel.feed, channel.record)
        var first = record.firstUnwritten
        if configuration.losesWhileAway {
            feed.issueDue(position: feed.issued, wanted: 0)
            first = feed.issued
        }
        if configuration.redelivery > .zero, let end = record.previousEnd {
            first = min(first, feed.firstIndex(since: end.advanced(by: .zero - configuration.redelivery)))
        }
        if backfill > .zero {
            first = min(first, feed.firstIndex(since: clock.now.advanced(by: .zero - backfill)))
        }
        return first
    }

    func connectionEnded(_ channel: StreamChannel) {
        if !configuration.losesWhileAway, channel.record.openCount == 0 { channel.feed.skipTime() }
    }
}
