import Hummingbird
internal import PipelineKit

/// `GET /2/tweets/search/stream`.
struct StreamEndpoint: Sendable {
    let simulator: XSimulator

    private static let parameters: Set<Substring> = [
        "backfill_minutes", "start_time", "end_time", "tweet.fields", "post.fields", "expansions", "user.fields",
        "media.fields", "place.fields", "poll.fields",
    ]

    func answer(_ request: Request, _ context: XContext) async throws -> Response {
        if let refusal = refusal(of: request) { return Response(refusal) }
        if let fault = simulator.faults.nextForAnswer() { return try await misbehave(fault, request, context) }
        guard let number = simulator.record.open(query: request.uri.query ?? "", limit: simulator.connectionLimit)
        else {
            return Response(.tooManyConnections)
        }
        let minutes = request.uri.queryParameters["backfill_minutes"].flatMap { Int64($0) } ?? 0
        let body = ResponseBody { _ in
            let socket = try await StreamSocket(context.channel)
            await Delivery(simulator, socket, connection: number, backfill: .seconds(60 * minutes)).run()
        }
        var response = Response(
            status: .ok,
            headers: [.contentType: "application/json; charset=utf-8", .cacheControl: "no-cache, no-store"],
            body: body)
        response.set("x-connection-hash", String(number, radix: 16))
        return response
    }

    private func refusal(of request: Request) -> Refusal? {
        for (name, value) in request.uri.queryParameters {
            guard Self.parameters.contains(name) else {
                return .invalidRequest(
                    "The query parameter [\(name)] is not one of [\(Self.parameters.sorted().joined(separator: ","))]")
            }
            if name == "backfill_minutes", !(Int(value).map { (0...5).contains($0) } ?? false) {
                return .invalidRequest("The `backfill_minutes` query parameter value [\(value)] is not between 0 and 5")
            }
        }
        return simulator.rules.all.isEmpty ? .noRules : nil
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
