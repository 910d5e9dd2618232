import Core
import Digests
import HTTP

/// Sends requests with events, one at a time, over a connection that stays open. Owned by one thread.
struct LogSender: ~Copyable {
    private let settings: LogShippingSettings
    private let multi: CurlMulti
    /// With what the last request was made.
    private var used: ReceiverCredentials.Found?

    /// Bytes of an answer that are kept: Elastic's names each event.
    private static let mostAnswer = 2 << 20

    /// - Throws: `CurlError` when libcurl has no memory.
    init(_ settings: LogShippingSettings) throws(CurlError) {
        self.settings = settings
        multi = try CurlMulti()
    }

    /// Whether the files of credentials hold something else than at the last request.
    var hasNewCredentials: Bool {
        guard let used, let found = try? settings.credentials.read() else { return false }
        return !found.isSame(as: used)
    }

    /// Sends events, and waits for the answer.
    ///
    /// - Parameters:
    ///   - events: in their order.
    ///   - cut: ends the request at whatever point it is.
    ///   - timeout: the longest duration, when it is shorter than that of the settings.
    /// - Returns: what became of them.
    mutating func send(_ events: [ShippedEvent], until cut: Stop, timeout: Duration? = nil) -> ShippingVerdict {
        do {
            let credentials = try settings.credentials.read()
            used = credentials
            let request = request(events, credentials, min(settings.timeout, timeout ?? settings.timeout))
            let answer = HTTPAnswer(bodyLimit: Self.mostAnswer)
            var transfer = try CurlTransfer(answer: answer)
            try transfer.prepare(request)
            try multi.run(transfer, until: cut)
            return settings.rules.verdict(
                answer.status, retryAfter: answer.retryAfter, body: answer.body, count: events.count)
        } catch let error as CurlError {
            return .transient(reason: "\(error.cause): \(error.description)", after: nil)
        } catch {
            return .refused(reason: "\(error)")
        }
    }

    private func request(
        _ events: [ShippedEvent], _ credentials: ReceiverCredentials.Found, _ timeout: Duration
    ) -> HTTPRequest {
        // Texts of libraries were cleaned where they entered; whatever else has a known secret loses it here. A short secret
        // could be the name of a member.
        let clean = events.map { event in
            var event = event
            event.line = Redaction.withoutSecrets(event.line, shortest: 8)
            return event
        }
        let body = Array(settings.body.text(clean).utf8)
        var request = HTTPRequest(
            url: settings.url, token: Secret(""), body: settings.isCompressed ? gzipped(body) : body,
            caFile: settings.caFile, connectTimeout: min(timeout, .seconds(5)), totalTimeout: timeout)
        request.authorization = Secret("")
        request.contentType = settings.body.format.contentType
        request.keepsConnection = true
        request.fields = credentials.fields
        if settings.isCompressed { request.fields.append(("Content-Encoding", Secret("gzip"))) }
        request.proxy = settings.proxy
        request.proxyCredentials = credentials.proxy
        return request
    }
}
