import Core
import HTTP
import TweetFormat

/// X's endpoints other than the stream: one request at a time, on the calling thread.
package struct XAPI: Sendable {
    private let settings: XSettings
    private let stop: Stop?
    private let patience: Duration
    private let onWait: @Sendable (Duration) -> Void

    /// From the beginning of a call to the end of its answer.
    private static let timeout = Duration.seconds(30)
    /// A page of 1,000 rules of an enterprise account has about 2.5 MB.
    private static let bodyLimit = 16 << 20

    /// - Parameters:
    ///   - settings: how to reach X.
    ///   - stop: a service gives its own, so that no call outlives it for long.
    ///   - patience: a call that X rejects for now (a rate limit, a failure of X with `Retry-After`) waits as long as X asks
    ///     for when that is no longer than this.
    ///   - onWait: is called with the duration before each such wait.
    package init(
        _ settings: XSettings, stop: Stop? = nil, patience: Duration = .zero,
        onWait: @escaping @Sendable (Duration) -> Void = { _ in }
    ) {
        self.settings = settings
        self.stop = stop
        self.patience = patience
        self.onWait = onWait
    }

    /// Asks for something.
    ///
    /// - Parameters:
    ///   - path: such as `/2/usage/tweets`.
    ///   - query: names and values, not yet escaped.
    /// - Returns: the body of a 2xx.
    /// - Throws: `XError` with the call and the reason: `operator` for denied credentials, `retry` for limits, `reject` for a
    ///   request that X does not accept, `wait` for anything else.
    package func get(_ path: String, query: [(name: String, value: String)] = []) throws(XError) -> [UInt8] {
        try call("GET", path, query).body
    }

    /// Sends JSON; otherwise like `get`.
    package func post(
        _ path: String, query: [(name: String, value: String)] = [], body: [UInt8]
    ) throws(XError) -> [UInt8] {
        try call("POST", path, query, body: body).body
    }

    /// Deletes what the JSON names; otherwise like `get`.
    package func delete(_ path: String, body: [UInt8]) throws(XError) -> [UInt8] {
        try call("DELETE", path, [], body: body).body
    }

    /// Asks once, and again when a rate limit with a near end was all that was in the way; otherwise like `get`.
    ///
    /// - Returns: the whole answer, a 2xx.
    package func call(
        _ method: String, _ path: String, _ query: [(name: String, value: String)], body: [UInt8]? = nil
    ) throws(XError) -> HTTPAnswer {
        let parameters = query.map { "\($0.name)=\(percentEncoded($0.value))" }.joined(separator: "&")
        let name = "\(method) \(settings.url)\(path)"
        let url = settings.url + path + (parameters.isEmpty ? "" : "?" + parameters)
        let deadline = ContinuousClock.now + patience
        while true {
            let answer = try send(method, url, body, name: name)
            if (200...299).contains(answer.status), !answer.isPage { return answer }
            let problem = answer.problem
            // A second more, because X counts in whole seconds.
            guard [.rateLimit, .serverError].contains(problem.kind), let asked = Self.wait(problem),
                case let wait = max(asked, .zero) + .seconds(1), ContinuousClock.now + wait <= deadline
            else { throw Self.error(name, problem) }
            onWait(wait)
            if (stop ?? Stop()).wait(for: wait) { throw Self.error(name, problem) }
        }
    }

    /// What X asks to wait for: the end of a rate limit's window, or whatever `Retry-After` says.
    private static func wait(_ problem: Problem) -> Duration? {
        problem.kind == .rateLimit ? problem.rateLimit.wait : problem.rateLimit.retryAfter
    }

    private func send(
        _ method: String, _ url: String, _ body: [UInt8]?, name: String
    ) throws(XError) -> HTTPAnswer {
        let request = HTTPRequest(
            url: url, token: try settings.token.read(), body: body, method: method == "DELETE" ? method : nil,
            caFile: settings.caFile, connectTimeout: settings.connectTimeout, totalTimeout: Self.timeout)
        let answer = HTTPAnswer(bodyLimit: Self.bodyLimit)
        do {
            var transfer = try CurlTransfer(answer: answer)
            try transfer.prepare(request)
            if let stop { try CurlMulti().run(transfer, until: stop) } else { try transfer.perform() }
        } catch {
            throw XError(.wait, "\(name): \(error)")
        }
        guard !answer.isBodyCut else {
            throw XError(.wait, "\(name): the answer is longer than \(Self.bodyLimit) bytes")
        }
        return answer
    }

    private static func error(_ call: String, _ problem: Problem) -> XError {
        let remedy = problem.kind.remedy.map { ". \($0)" } ?? ""
        let text = "\(call): \(problem)\(remedy)"
        switch problem.kind {
        case .unauthorized, .forbidden: return XError(.operator(.credentials), text)
        case .rateLimit:
            let wait = problem.rateLimit.wait.map { ". Try again in \($0.short)" } ?? ". Try again later"
            return XError(.retry, text + wait, retryAfter: problem.rateLimit.wait)
        case .usageCap, .noCredits, .tooManyConnections: return XError(.retry, text)
        case .badRequest: return XError(.reject, "\(call): \(problem)")
        case .other where (400...499).contains(problem.status): return XError(.reject, text)
        default:
            let asked = problem.rateLimit.retryAfter
            return XError(.wait, text + (asked.map { ". Try again in \($0.short)" } ?? ""), retryAfter: asked)
        }
    }
}
