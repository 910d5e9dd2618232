import Core
import HTTP

/// The receiver of the log, and how it gets the log.
package struct LogShippingSettings: Sendable {
    var url: String
    var body = LogBody()
    var rules = AnswerRules()
    var limits = ShippingPlan.Limits()
    /// Less severe messages are not shipped.
    package var level = LogLevel.info
    var credentials = ReceiverCredentials()
    var caFile: String?
    /// In place of that of the environment; an empty text for none.
    var proxy: String?
    var isCompressed = false
    var timeout = Duration.seconds(10)
    var queueBytes = 1 << 20
    /// Longest duration of sending at the end of the process.
    var drain = Duration.seconds(5)
    /// The folder of the queue; nil: in memory.
    var spool: String?
    var spoolBytes = 8 << 20

    init(url: String) {
        self.url = url
    }
}

/// The declarations of the settings of log shipping, the same for every service.
package enum LogHTTPSettings: SettingGroup {
    package static let title = "Log shipping"
    static let url = Setting(
        "LOG_HTTP_URL", .url, unset: "the log is not shipped", "Where to send the log, beside standard error")
    static let format = Setting(
        "LOG_HTTP_FORMAT", .one(of: ShippingFormat.self), default: "json-lines", "What the receiver expects")
    static let level = Setting(
        "LOG_HTTP_LEVEL", .one(of: LogLevel.self), default: "info",
        "Least severe messages that are sent; what `LOG_LEVEL` leaves out is not sent either")
    static let tokenFile = Setting(
        "LOG_HTTP_TOKEN_FILE", .file, unset: "no token", "File with the receiver's token; it is read for every request")
    static let tokenField = Setting(
        "LOG_HTTP_TOKEN_HEADER", .notation("a header's name such as DD-API-KEY, or Authorization: Bearer"),
        unset: "`Authorization: Bearer`; `Splunk` with splunk-hec, `ApiKey` with elastic-bulk",
        "Header of the token, and what stands before the token")
    static let headersFile = Setting(
        "LOG_HTTP_HEADERS_FILE", .file, unset: "no more headers",
        "File with further headers, one `Name: value` a line; it is read for every request")
    static let bucket = Setting(
        "LOG_HTTP_BUCKET", .text, unset: "the receiver's own",
        "Index of splunk-hec and elastic-bulk, or the member `bucket` of envelope")
    static let members = Setting(
        "LOG_HTTP_MEMBERS", .notation("a list such as env=prod,team=data"), unset: "no more members",
        "Constants in every event: labels with loki, resource attributes with otlp, `fields` with splunk-hec")
    static let envelopeKey = Setting(
        "LOG_HTTP_ENVELOPE_KEY", .text, default: "data", "Member of envelope that has the events as a string")
    static let envelope = Setting(
        "LOG_HTTP_ENVELOPE", .choice(["array", "single"]), default: "array",
        "Whether an envelope has an array of events, or one event")
    static let success = Setting(
        "LOG_HTTP_SUCCESS", .notation("a list of statuses such as 200,204"), unset: "200 to 299",
        "Statuses with which the receiver accepts events")
    static let retryOn = Setting(
        "LOG_HTTP_RETRY_ON", .notation("a list of statuses such as 429,503"),
        unset: "408, 425, 429, 500, 502, 503, 504; with otlp 429, 502, 503, 504",
        "Statuses after which the same request is sent again")
    static let caFile = Setting(
        "LOG_HTTP_CA_FILE", .file, unset: "those of the system",
        "Certificates (PEM) that the receiver's must be signed by, in place of the system's")
    static let proxy = Setting(
        "LOG_HTTP_PROXY", .notation("a proxy such as http://proxy.example:3128, or none"),
        unset: "that of the environment", "Proxy to the receiver; `none` for no proxy")
    static let proxyCredentialsFile = Setting(
        "LOG_HTTP_PROXY_CREDENTIALS_FILE", .file, unset: "none", "File with `user:password` for the proxy")
    static let compress = Setting(
        "LOG_HTTP_COMPRESS", .choice(["none", "gzip"]), default: "none", "Compression of requests")
    static let timeout = Setting(
        "LOG_HTTP_TIMEOUT", .duration, default: "10s", "Longest duration of a request")
    static let linger = Setting(
        "LOG_HTTP_LINGER", .duration, default: "1s", "Shortest time between requests that are not full")
    static let batch = Setting(
        "LOG_HTTP_BATCH_BYTES", .bytes, default: "512KiB", "Bytes of events in a request, at most")
    static let queue = Setting(
        "LOG_HTTP_QUEUE_BYTES", .bytes, default: "1MiB",
        "Bytes of events that wait in memory, at most; the oldest are dropped and counted")
    static let tries = Setting(
        "LOG_HTTP_TRIES", .count(1...1_000_000), default: "10",
        "Attempts to send the same events, at most; then they are dropped and counted")
    static let retryTime = Setting(
        "LOG_HTTP_RETRY_TIME", .duration, default: "10m", "For how long the same events are sent, at most")
    static let drain = Setting(
        "LOG_HTTP_DRAIN", .duration, default: "5s", "Longest duration of sending at the end, after `DRAIN`")
    static let spool = Setting(
        "LOG_HTTP_SPOOL", .folder, unset: "events wait in memory",
        "Folder in which events wait in place of memory, also for the next start; one for each process")
    static let spoolBytes = Setting(
        "LOG_HTTP_SPOOL_BYTES", .bytes, default: "8MiB",
        "Bytes of this folder, at most; the oldest events are dropped and counted")

    package static let settings = [
        url, format, level, tokenFile, tokenField, headersFile, bucket, members, envelopeKey, envelope, success,
        retryOn,
        caFile, proxy, proxyCredentialsFile, compress, timeout, linger, batch, queue, tries, retryTime, drain, spool,
        spoolBytes,
    ]
}
