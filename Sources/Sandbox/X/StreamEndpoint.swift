import Core
import Hummingbird

/// `GET /2/tweets/search/stream`, `/2/tweets/sample/stream` and `/2/tweets/sample10/stream`.
struct StreamEndpoint: Sendable {
    enum Kind: Sendable {
        case filtered, sample, sample10
    }

    let simulator: XSimulator
    var kind = Kind.filtered

    private static let common: Set<Substring> = [
        "backfill_minutes", "tweet.fields", "post.fields", "expansions", "user.fields", "media.fields", "place.fields",
        "poll.fields",
    ]

    private var parameters: Set<Substring> {
        switch kind {
        case .filtered: Self.common.union(["start_time", "end_time"])
        case .sample: Self.common
        case .sample10: Self.common.union(["start_time", "end_time", "partition"])
        }
    }

    /// The stream that a request asks for; nil for a partition that there is not.
    static func stream(_ request: Request, _ kind: Kind) -> SimulatedStream? {
        switch kind {
        case .filtered: .filtered
        case .sample: .sample
        case .sample10:
            request.uri.queryParameters["partition"].flatMap { Int($0) }
                .flatMap { (1...2).contains($0) ? .sample10(partition: $0) : nil }
        }
    }

    func answer(_ request: Request, _ context: XContext) async throws -> Response {
        guard let stream = Self.stream(request, kind) else {
            let value = request.uri.queryParameters["partition"] ?? ""
            return Response(.invalidRequest("The `partition` query parameter value [\(value)] is not between 1 and 2"))
        }
        if let refusal = refusal(of: request) { return Response(refusal) }
        let channel = simulator.channel(stream)
        let fault = simulator.faults.nextForAnswer()
        if let fault, fault.type != .gzip { return try await misbehave(fault, request, context) }
        return deliver(channel, request, context, isCompressed: fault?.type == .gzip)
    }

    private func deliver(
        _ channel: StreamChannel, _ request: Request, _ context: XContext, isCompressed: Bool
    ) -> Response {
        let window = window(of: request, channel.feed)
        guard
            let number = channel.record.open(
                query: request.uri.query ?? "", client: context.channel.remoteAddress?.ipAddress ?? "",
                limit: window == nil ? simulator.connectionLimit : Self.recoveryLimit,
                displaces: window == nil && simulator.configuration.displacesConnections, isRecovery: window != nil)
        else { return Response(.tooManyConnections) }
        let minutes = request.uri.queryParameters["backfill_minutes"].flatMap { Int64($0) } ?? 0
        // Before the header: a client takes that for the moment from which it gets everything.
        let first = window?.lowerBound ?? simulator.firstLine(of: channel, backfill: .seconds(60 * minutes))
        let body = ResponseBody { _ in
            let socket = try await StreamSocket(context.channel)
            let gzip = isCompressed ? GzipStream() : nil
            let delivery = Delivery(simulator, channel, socket, connection: number, from: first, gzip: gzip)
            if let window { await delivery.recover(upTo: window.upperBound) } else { await delivery.run() }
        }
        var response = Response(
            status: .ok,
            headers: [.contentType: "application/json; charset=utf-8", .cacheControl: "no-cache, no-store"],
            body: body)
        response.set("x-connection-hash", String(number, radix: 16))
        if isCompressed { response.headers[.contentEncoding] = "gzip" }
        return response
    }

    /// "At most two recovery jobs at a time" (documentation, "Recovery and redundancy").
    private static let recoveryLimit = 2

    /// The lines of the past that a request asks for; nil when it asks for the present.
    private func window(of request: Request, _ feed: Feed) -> Range<Int64>? {
        let values = request.uri.queryParameters
        guard values["start_time"] != nil || values["end_time"] != nil else { return nil }
        feed.issueDue(position: feed.issued, wanted: 0)
        let start = values["start_time"].flatMap { Timestamp($0) }.map { feed.firstIndex(since: $0) } ?? 0
        let end = values["end_time"].flatMap { Timestamp($0) }.map { feed.firstIndex(since: $0) } ?? feed.issued
        return start..<max(start, end)
    }

    private func refusal(of request: Request) -> Refusal? {
        for (name, value) in request.uri.queryParameters {
            guard parameters.contains(name) else {
                return .invalidRequest(
                    "The query parameter [\(name)] is not one of [\(parameters.sorted().joined(separator: ","))]")
            }
            if name == "backfill_minutes", !(Int(value).map { (0...5).contains($0) } ?? false) {
                return .invalidRequest("The `backfill_minutes` query parameter value [\(value)] is not between 0 and 5")
            }
        }
        let values = request.uri.queryParameters
        let recovery = ["start_time", "end_time"].filter { values[Substring($0)] != nil }
        if !simulator.configuration.isEnterprise,
            kind != .filtered || !recovery.isEmpty || values["backfill_minutes"] != nil
        {
            return .forbidden
        }
        let now = simulator.clock.now
        for name in recovery {
            guard let moment = values[Substring(name)].flatMap({ Timestamp($0) }), moment <= now,
                moment >= now.advanced(by: .seconds(-86_400))
            else { return .invalidRequest("The `\(name)` query parameter value is not a time of the last 24 hours") }
        }
        return kind == .filtered && simulator.rules.all.isEmpty ? .noRules : nil
    }

    /// Takes the connection and answers slowly, or not at all, until the client has enough.
    private func misbehave(_ fault: Fault, _ request: Request, _ context: XContext) async throws -> Response {
        let socket = try await StreamSocket(context.channel)
        if fault.type == .slowHeader {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            for byte in head.utf8 {
                guard (try? await socket.write(raw: [byte])) != nil else { break }
                try await Task.sleep(for: .seconds(fault.seconds ?? 1))
            }
        }
        while !socket.clientHasLeft { try await Task.sleep(for: .milliseconds(20)) }
        return Response(status: .ok)
    }
}
