import CCurl

/// What came back for one request; libcurl's callbacks fill it on the thread that runs the transfer.
///
/// The body of a 200 goes to `stream` piece by piece when there is one; every other body is kept up to `bodyLimit`.
final class HTTPAnswer {
    /// Takes a body as it comes.
    @safe
    struct Stream {
        /// Called when the header of a 200 is complete.
        let begin: () -> Void
        /// Takes the next bytes; false ends the transfer.
        let take: (UnsafeRawBufferPointer) -> Bool
    }

    private(set) var status = 0
    private(set) var isHeaderComplete = false
    private(set) var headers: [String: String] = [:]
    private(set) var body: [UInt8] = []
    private(set) var isBodyCut = false

    private let bodyLimit: Int
    private let stream: Stream?

    /// - Parameters:
    ///   - bodyLimit: bytes of a body that are kept; a longer one ends the transfer (`isBodyCut`).
    ///   - stream: takes the body of a 200, unless that is a page for people.
    init(bodyLimit: Int, stream: Stream? = nil) {
        self.bodyLimit = bodyLimit
        self.stream = stream
    }

    /// Whether the body is the stream that was asked for. Portals and proxies answer 200 with a page.
    var isStream: Bool { isHeaderComplete && status == 200 && !isPage }

    var isPage: Bool { headers["content-type"]?.lowercased().hasPrefix("text/html") == true }

    /// X's `x-rate-limit-*` headers. The reset counts from the answer's own `Date`, so a wrong local clock does no harm.
    var rateLimit: RateLimit {
        var result = RateLimit()
        result.limit = headers["x-rate-limit-limit"].flatMap { Int($0) }
        result.remaining = headers["x-rate-limit-remaining"].flatMap { Int($0) }
        if let reset = headers["x-rate-limit-reset"].flatMap({ Int64($0) }), (0..<1 << 40).contains(reset) {
            result.resetAfter = .seconds(reset - (date ?? .now()).milliseconds / 1000)
        }
        return result
    }

    /// X's clock, in whole seconds, when it answered; nil when the answer does not say.
    var date: Timestamp? {
        headers["date"].flatMap(secondsSince1970(httpDate:)).map { Timestamp(milliseconds: $0 * 1000) }
    }

    /// What the answer says, when it is not what was asked for.
    var problem: Problem {
        isPage && status == 200
            ? Problem(notAStream: headers["content-type"] ?? "")
            : Problem(status: status, body: body, rateLimit: rateLimit)
    }

    /// Takes one header line with its line end: a status line, a field, or the empty line at the end.
    func takeHeaderLine(_ bytes: UnsafeRawBufferPointer) {
        let line = unsafe String(decoding: bytes, as: UTF8.self).trimmingLineEnd()
        if line.hasPrefix("HTTP/") {
            // A new header begins: what came before was an interim answer (1xx).
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            headers = [:]
            isHeaderComplete = false
        } else if line.isEmpty {
            guard status >= 200, !isHeaderComplete else { return }
            isHeaderComplete = true
            if isStream { stream?.begin() }
        } else if let colon = line.firstIndex(of: ":"), headers.count < 100 {
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            headers[line[..<colon].lowercased()] = String(value)
        }
    }

    /// Takes bytes of the body; false ends the transfer.
    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if let stream, isStream { return unsafe stream.take(bytes) }
        let room = bodyLimit - body.count
        unsafe body.append(contentsOf: bytes.prefix(room))
        isBodyCut = bytes.count > room
        return !isBodyCut
    }
}

extension String {
    fileprivate func trimmingLineEnd() -> String {
        var scalars = unicodeScalars
        while let last = scalars.last, last == "\n" || last == "\r" || last == " " { scalars.removeLast() }
        return String(scalars)
    }
}

private func secondsSince1970(httpDate text: String) -> Int64? {
    let seconds = unsafe curl_getdate(text, nil)
    return seconds > 0 ? Int64(seconds) : nil
}
