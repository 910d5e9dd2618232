import Logging
import TweetFormat
import XAPI

/// How one attempt to read the stream ended.
enum ConnectionEnd: Equatable {
    /// The stop was raised.
    case stopped
    /// Another producer has the lease of the stream.
    case handedOver
    /// No usable answer came: name lookup, connect, TLS, time-out, or a token that cannot be read.
    case failed(cause: String, detail: String)
    /// X answered, but not with the stream.
    case refused(Problem)
    /// The stream broke off.
    case lost(cause: String, detail: String?)
    /// X said in the stream that it ends.
    case control(StreamControl)

    /// Whether X has given the app's one connection to somebody else.
    var isDisplacement: Bool {
        switch self {
        case .refused(let problem): problem.kind == .tooManyConnections
        case .control(let control): control.reaction == .waitForOtherConnection || control.cause == "ForceDisconnect"
        default: false
        }
    }

    /// Whether another token may help.
    var isAboutCredentials: Bool {
        switch self {
        case .refused(let problem): problem.kind == .unauthorized || problem.kind == .forbidden
        case .failed(let cause, _): cause == "token"
        default: false
        }
    }
}

/// What the end of an attempt means: its name, the level at which it is logged, and how long to wait.
struct Interruption: Equatable {
    /// A short stable name, for logs and the gap ledger.
    var cause: String
    var detail: String?
    var status: Int?
    /// Nil when nothing is to follow.
    var retry: RetryReason?
    /// How long the server asks to wait at least.
    var retryAfter: Duration?
    var level = Logger.Level.warning

    init(_ end: ConnectionEnd) {
        switch end {
        case .stopped:
            self.init(cause: "stop", level: .info)
        case .handedOver:
            self.init(cause: "standby", detail: "another producer has the lease of the stream", level: .notice)
        case .failed(let cause, let detail):
            self.init(cause: cause, detail: detail, retry: .network)
        case .lost(let cause, let detail):
            self.init(cause: cause, detail: detail, retry: .network)
        case .refused(let problem): self.init(problem)
        case .control(let control): self.init(control)
        }
    }

    private init(
        cause: String, detail: String? = nil, status: Int? = nil, retry: RetryReason? = nil,
        level: Logger.Level = .warning
    ) {
        self.cause = cause
        self.detail = detail
        self.status = status
        self.retry = retry
        self.level = level
    }

    private init(_ problem: Problem) {
        let (retry, level): (RetryReason, Logger.Level) =
            switch problem.kind {
            case .noRules: (.noRules, .warning)
            case .noCredits, .usageCap: (.account, .error)
            case .tooManyConnections: (.rateLimit(reset: nil), .warning)
            case .rateLimit:
                // X's headers look healthy on every other kind; here a used-up window gives the time of the next attempt.
                (.rateLimit(reset: problem.rateLimit.remaining ?? 0 > 0 ? nil : problem.rateLimit.resetAfter), .warning)
            case .unauthorized, .forbidden, .badRequest: (.http, .error)
            case .notFound, .notAStream, .serverError, .redirect, .other: (.http, .warning)
            }
        let said = problem.description
        let detail = [said.hasSuffix(".") ? String(said.dropLast()) : said, problem.kind.remedy]
            .compactMap { $0 }.joined(separator: ". ")
        self.init(
            cause: problem.kind.rawValue, detail: detail, status: problem.status, retry: retry, level: level)
        retryAfter = problem.rateLimit.retryAfter.map { min($0, RateLimit.longestRetryAfter) }
    }

    private init(_ control: StreamControl) {
        let (retry, level): (RetryReason, Logger.Level) =
            switch control.reaction {
            case .goOn, .reconnect: (.network, .info)
            case .reconnectWithAlarm: (.network, .error)
            case .checkRules: (.noRules, .warning)
            case .waitForOtherConnection: (.rateLimit(reset: nil), .warning)
            case .waitForAccount: (.account, .error)
            case .reconnectSlowly: (.http, .warning)
            }
        let detail = [control.cause, control.detail].compactMap { $0 }.joined(separator: ": ")
        self.init(cause: "control", detail: detail, retry: retry, level: level)
    }
}
