import CCurl
import Core
import HTTP
import XAPI

/// One connection to the stream, from the request to its end.
struct StreamConnection: ~Copyable {
    private let settings: StreamSettings
    private let reading: StreamReading
    private let onTurn: () throws -> Void
    private let recorder: StreamRecorder
    private let stop: Stop
    private let transfer: CurlTransfer

    /// A poll that takes this long had nothing to return at once for.
    private static let shortestWait = Duration.milliseconds(1)
    /// How late it may be noticed on an idle stream that the journal's disk refuses.
    private static let longestPoll = Duration.seconds(1)

    /// - Parameters:
    ///   - settings: of the stream.
    ///   - query: what to ask for beside the fields.
    ///   - token: the app's.
    ///   - reading: what is read into.
    ///   - recorder: takes what comes.
    ///   - stop: ends it.
    ///   - onTurn: called repeatedly while it waits and reads, at least whenever data arrived.
    /// - Throws: `CurlError` when libcurl does not take the settings.
    init(
        _ settings: StreamSettings, query: [(name: String, value: String)], token: Secret, _ reading: StreamReading,
        recorder: StreamRecorder, stop: Stop, onTurn: @escaping () throws -> Void
    ) throws(CurlError) {
        let stream = unsafe HTTPAnswer.Stream(
            isJSON: true, begin: { recorder.takeBegin() }, take: { unsafe recorder.take($0) })
        var transfer = try CurlTransfer(answer: HTTPAnswer(bodyLimit: 64 << 10, stream: stream))
        try transfer.prepare(
            HTTPRequest(
                url: Self.url(settings, query), token: token, caFile: settings.x.caFile,
                connectTimeout: settings.x.connectTimeout))
        self.transfer = transfer
        self.settings = settings
        self.reading = reading
        self.onTurn = onTurn
        self.recorder = recorder
        self.stop = stop
    }

    /// Reads until the connection ends, one way or another; its socket is closed then.
    ///
    /// - Throws: `FileError` when the journal refuses; `CurlError` when libcurl itself does not work.
    func run(on multi: borrowing CurlMulti) throws -> ConnectionEnd {
        try multi.add(transfer)
        defer { multi.remove(transfer) }
        var watch = StreamWatch(
            connectTimeout: settings.x.connectTimeout, stallTimeout: settings.stallTimeout)
        var waited = Duration.zero
        reading.watch.pause()
        var isCertificateKnown = false
        while true {
            try multi.perform()
            if recorder.begin != nil, !isCertificateKnown {
                reading.metrics.certificates[.x].set(transfer.certificateExpiry)
                isCertificateKnown = true
            }
            try onTurn()
            if let failure = recorder.failure { throw failure }
            try reading.journal.check()
            // Without a content type only the first bytes tell, and X may send none for as long as a stream may be silent.
            let isStream = recorder.begin != nil || transfer.answer.mayBeStream
            let phase: StreamWatch.Phase = isStream ? .stream : .answer
            let timeLeft = watch.timeLeft(in: phase, bytes: recorder.bytes, waited: waited)
            if let end = end(multi.takeResult(), timeLeft: timeLeft) { return end }
            let (before, now) = (ContinuousClock.now, Timestamp.now())
            try multi.poll(timeout: min(timeLeft, Self.longestPoll))
            waited = before.duration(to: .now)
            if waited >= Self.shortestWait { recorder.noteCaughtUp(at: now) }
        }
    }

    private func end(_ result: CURLcode?, timeLeft: Duration) -> ConnectionEnd? {
        if result == CURLE_OK { recorder.takeRest() }
        if let control = recorder.control { return .control(control) }
        if let result { return end(transfer.error(result), isComplete: result == CURLE_OK) }
        if stop.isRaised { return .stopped }
        if let lease = reading.lease, !lease.reads { return .handedOver }
        if let closing = settings.posts.closing(reading.posts, at: .now()) {
            return .lost(cause: "post_limit", detail: closing.description)
        }
        guard timeLeft <= .zero else { return nil }
        if recorder.begin != nil {
            return .lost(cause: "stall", detail: "nothing came for \(settings.stallTimeout), not even a keep-alive")
        }
        if transfer.answer.isHeaderComplete { return .refused(transfer.answer.problem) }
        return .failed(
            cause: "timeout", detail: "no complete answer within \(settings.x.connectTimeout) (X_CONNECT_TIMEOUT)")
    }

    private func end(_ error: CurlError, isComplete: Bool) -> ConnectionEnd {
        if transfer.answer.isPage { return .refused(transfer.answer.problem) }
        if recorder.begin != nil {
            return .lost(cause: isComplete ? "closed" : error.cause, detail: isComplete ? nil : error.description)
        }
        // A header without its body, or with a part of it, still has X's reason.
        if transfer.answer.isHeaderComplete { return .refused(transfer.answer.problem) }
        return .failed(cause: error.cause, detail: error.description)
    }

    /// The names in the lists are checked and hold nothing that a URL would have to escape.
    static func url(_ settings: StreamSettings, _ more: [(name: String, value: String)] = []) -> String {
        let fields = StreamFields.allCases.compactMap { parameter -> String? in
            guard let names = settings.fields[parameter], !names.isEmpty else { return nil }
            return "\(parameter.rawValue)=\(names.joined(separator: ","))"
        }
        let path = settings.x.url + settings.source.kind.path
        let query = (settings.source.query + more).map { "\($0.name)=\($0.value)" } + fields
        return query.isEmpty ? path : path + "?" + query.joined(separator: "&")
    }
}
