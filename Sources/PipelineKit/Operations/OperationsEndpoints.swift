package import Core

/// What a service answers about itself, from memory alone, and whom: a pure function of the request and the service's state.
///
/// | path | 200 | 503 |
/// |---|---|---|
/// | `/metrics` | all values, in the form that `Accept` names | never |
/// | `/livez` | every loop gives signs of life | a loop hangs |
/// | `/readyz` | the start is finished, and it does not drain | else |
/// | `/healthz` | health is `ok` or `degraded`; JSON with every check | it is `failing` |
/// | `/status` | JSON: all of that, with the values of the metrics | never |
/// | `/` | the same for people, as one plain page | never |
package struct OperationsEndpoints: Sendable {
    /// What is asked.
    struct Request {
        var method = "GET"
        /// Without the query.
        var path: String
        /// The names of the checks that are asked for (`?check=`); empty for all.
        var checks: [String] = []
        /// The header `Host`, or the authority of the URL.
        var host: String?
        var accept: String?
        var authorization: String?
    }

    /// What is answered.
    typealias Answer = HTTPAnswer

    private let service: String
    private let registry: MetricsRegistry
    private let health: ServiceHealth
    private let judge: @Sendable (Timestamp) -> [HealthCheck]

    /// - Parameters:
    ///   - service: the program's name.
    ///   - registry: its metrics.
    ///   - health: whether it lives and is ready.
    ///   - judge: what else its health depends on, from memory alone.
    package init(
        service: String, registry: MetricsRegistry, health: ServiceHealth,
        judge: @escaping @Sendable (Timestamp) -> [HealthCheck] = { _ in [] }
    ) {
        (self.service, self.registry, self.health, self.judge) = (service, registry, health, judge)
    }

    /// The service's health.
    ///
    /// - Parameter now: the time.
    /// - Returns: the checks of the service, and those of its start and its threads.
    package func report(at now: Timestamp = .now()) -> HealthReport {
        HealthReport(service: service, checks: judge(now) + [startCheck, threadCheck])
    }

    private var startCheck: HealthCheck {
        let obstacles = health.obstacles
        guard !obstacles.isEmpty else { return .ok("start", "started") }
        return HealthCheck(
            name: "start", status: .degraded, detail: "waiting for: \(obstacles.joined(separator: ", "))",
            remedy: "the log names what is missing")
    }

    private var threadCheck: HealthCheck {
        let silent = health.silent
        guard !silent.isEmpty else { return .ok("threads", "every thread responds") }
        return HealthCheck(
            name: "threads", status: .failing, detail: "no sign of life from: \(silent.joined(separator: ", "))",
            remedy: "restart the service; see \"a thread no longer responds\" in docs/operations.md")
    }

    /// Answers a request.
    ///
    /// - Parameters:
    ///   - request: what is asked.
    ///   - isLoopback: whether the service listens on the loopback: a page from elsewhere reaches it by a name that resolves to
    ///     127.0.0.1 (DNS rebinding), so the name is checked.
    ///   - token: what all but the probes need; nil for nothing.
    /// - Returns: the answer, also for `HEAD`, whose body is not sent.
    func answer(_ request: Request, isLoopback: Bool, token: StatusToken?) -> Answer {
        if isLoopback, !Self.isOurs(request.host) {
            return Answer(status: 421, body: "the Host header must name the loopback, such as localhost\n")
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return Answer(status: 405, body: "only GET and HEAD\n", fields: ["Allow": "GET, HEAD"])
        }
        switch request.path {
        case "/livez": return probe("silent", health.silent)
        case "/readyz": return probe("waiting", health.obstacles)
        default: break
        }
        if let token, !token.accepts(request.authorization) {
            return Answer(
                status: 401, body: "the bearer token of STATUS_TOKEN_FILE is missing or wrong\n",
                fields: ["WWW-Authenticate": "Bearer"])
        }
        return content(request)
    }

    /// Answers a request that has passed every check.
    private func content(_ request: Request) -> Answer {
        switch request.path {
        case "/metrics":
            let format = MetricsFormat(accept: request.accept)
            return Answer(contentType: format.contentType, body: registry.text(format))
        case "/healthz":
            let report = asked(request.checks)
            return Answer(
                status: report.status == .failing ? 503 : 200, contentType: "application/json",
                body: report.json() + "\n")
        case "/status":
            let status = ServiceStatus(service, health, report(), registry.readings)
            return Answer(contentType: "application/json", body: status.json() + "\n")
        case "/":
            return Answer(
                contentType: "text/html; charset=utf-8", body: StatusPage(report()).html,
                fields: ["Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"])
        default: return Answer(status: 404, body: "there are /metrics, /livez, /readyz, /healthz and /status\n")
        }
    }

    /// The report, with the checks that were asked for; an unknown name leaves none, which is ok.
    private func asked(_ names: [String]) -> HealthReport {
        let all = report()
        guard !names.isEmpty else { return all }
        return HealthReport(service: service, checks: all.checks.filter { names.contains($0.name) })
    }

    private func probe(_ what: String, _ obstacles: [String]) -> Answer {
        guard !obstacles.isEmpty else { return Answer(body: "ok\n") }
        return Answer(status: 503, body: "\(what): \(obstacles.joined(separator: ", "))\n")
    }

    /// Whether the name by which a client has reached the loopback is the loopback's own.
    private static func isOurs(_ host: String?) -> Bool {
        guard let host, let address = ServerAddress(host[...], needsPort: false) else { return false }
        let isBracketed = address.host.hasPrefix("[")
        return ListenSettings.isLoopback(String(isBracketed ? address.host.dropFirst().dropLast() : address.host))
    }
}
