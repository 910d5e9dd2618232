import FoundationEssentials
import Hummingbird

/// `/sandbox`: what X does not have. No token is asked for.
struct ControlEndpoint: Sendable {
    let simulator: XSimulator

    static let help = """
        GET    /sandbox            this text
        GET    /sandbox/record     what was written to whom, as JSON (?lines=true: every line's id)
        GET    /sandbox/faults     the faults that are yet to happen
        POST   /sandbox/faults     one more, for instance
                 {"type":"close"}  {"type":"drop","after":100}  {"type":"reset","bytes":40}  {"type":"stall","seconds":60}
                 {"type":"quiet","seconds":120}  {"type":"line","text":"{\\"errors\\":[…]}"}  {"type":"duplicate","count":50}
                 {"type":"reorder","count":20}  {"type":"split","count":10,"bytes":1}
                 {"type":"refuse","endpoint":"stream","count":3,"answer":"rate-limit"}
                 {"type":"refuse","endpoint":"rules","after":2}  {"type":"lost-answer","endpoint":"rules"}
                 {"type":"refuse","answer":{"status":500,"body":"…","headers":{"x-rate-limit-reset":"…"}}}
                 {"type":"slow-header","seconds":1}  {"type":"silence"}
               answers by name: \(Refusal.named.keys.sorted().joined(separator: ", "))
        DELETE /sandbox/faults     none after all
        POST   /sandbox/feed       {"rate":100} lines a second, {"rate":0} flat out, {"stop":true} for good

        """

    private struct FeedChange: Decodable {
        let rate: Double?
        let stop: Bool?
    }

    func addRoutes(to router: RouterGroup<XContext>) {
        router.get { _, _ in Self.help }
        router.get("record") { request, _ in
            Response(status: 200, json: simulator.recordJSON(withLines: request.uri.queryParameters["lines"] == "true"))
        }
        router.get("faults") { _, _ in
            Response(status: 200, json: Array(try JSONEncoder().encode(simulator.faults.all)))
        }
        router.delete("faults") { _, _ in
            simulator.faults.clear()
            return Response(status: .noContent)
        }
        router.post("faults") { request, _ in
            try await change(request) { (fault: Fault) in simulator.inject(fault) }
        }
        router.post("feed") { request, _ in
            try await change(request) { (change: FeedChange) in
                if let rate = change.rate { simulator.feed.setRate(rate > 0 ? rate : nil) }
                if change.stop == true { simulator.feed.stop() }
            }
        }
    }

    private func change<Body: Decodable>(_ request: Request, _ apply: (Body) -> Void) async throws -> Response {
        var request = request
        let bytes = try await request.collectBody(upTo: 1 << 20)
        do {
            apply(try JSONDecoder().decode(Body.self, from: Data(bytes.readableBytesView)))
            return Response(status: .noContent)
        } catch {
            return Response(.invalidRequest("\(error)"))
        }
    }
}
