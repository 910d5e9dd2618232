/// X's endpoints other than the stream: one request at a time, on the calling thread.
package struct XAPI: Sendable {
    private let settings: XSettings
    private let stop: Stop?

    /// From the beginning of a call to the end of its answer.
    private static let timeout = Duration.seconds(30)
    /// A page of 1,000 rules of an enterprise account has about 2.5 MB.
    private static let bodyLimit = 16 << 20

    /// A service gives its stop, so that no call outlives it for long.
    package init(_ settings: XSettings, stop: Stop? = nil) {
        self.settings = settings
        self.stop = stop
    }

    /// Asks for something.
    ///
    /// - Parameters:
    ///   - path: such as `/2/usage/tweets`.
    ///   - query: names and values, not yet escaped.
    /// - Returns: the body of a 2xx.
    /// - Throws: `Failure` that says which call failed and why: 77 refused credentials, 75 limits, 65 a request that X does not
    ///   accept, 69 anything else.
    package func get(_ path: String, query: [(name: String, value: String)] = []) throws(Failure) -> [UInt8] {
        try call("GET", path, query, body: nil)
    }

    /// Sends JSON; otherwise like `get`.
    package func post(
        _ path: String, query: [(name: String, value: String)] = [], body: [UInt8]
    ) throws(Failure) -> [UInt8] {
        try call("POST", path, query, body: body)
    }

    private func call(
        _ method: String, _ path: String, _ query: [(name: String, value: String)], body: [UInt8]?
    ) throws(Failure) -> [UInt8] {
        let parameters = query.map { "\($0.name)=\(Self.escaped($0.value))" }.joined(separator: "&")
        let url = settings.url + path + (parameters.isEmpty ? "" : "?" + parameters)
        let request = HTTPRequest(
            url: url, token: try settings.token.read(), body: body, caFile: settings.caFile,
            connectTimeout: settings.connectTimeout, totalTimeout: Self.timeout)
        let answer = HTTPAnswer(bodyLimit: Self.bodyLimit)
        do {
            var transfer = try CurlTransfer(answer: answer)
            try transfer.prepare(request)
            if let stop { try CurlMulti().run(transfer, until: stop) } else { try transfer.perform() }
        } catch {
            throw Failure(.unavailable, "\(method) \(settings.url)\(path): \(error)")
        }
        guard !answer.isBodyCut else {
            throw Failure(
                .unavailable, "\(method) \(settings.url)\(path): the answer is longer than \(Self.bodyLimit) bytes")
        }
        guard (200...299).contains(answer.status), !answer.isPage else {
            throw Self.failure("\(method) \(settings.url)\(path)", answer.problem)
        }
        return answer.body
    }

    private static func failure(_ call: String, _ problem: Problem) -> Failure {
        let remedy = Interruption.remedy(for: problem.kind).map { ". \($0)" } ?? ""
        let text = "\(call): \(problem)\(remedy)"
        switch problem.kind {
        case .unauthorized, .forbidden: return Failure(.refusedCredentials, text)
        case .rateLimit:
            let wait = problem.rateLimit.resetAfter.map { ". Try again in \($0.short)" } ?? ". Try again later"
            return Failure(.tryAgain, text + wait)
        case .usageCap, .noCredits, .tooManyConnections: return Failure(.tryAgain, text)
        case .badRequest: return Failure(.badData, "\(call): \(problem)")
        case .other where (400...499).contains(problem.status): return Failure(.badData, text)
        default: return Failure(.unavailable, text)
        }
    }

    /// Percent-encodes everything but RFC 3986's unreserved characters.
    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.append(byte)
            default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
