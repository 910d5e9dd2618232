import FoundationEssentials
import Hummingbird

/// `/sandbox`: what X does not have. No token is asked for.
struct ControlEndpoint: Sendable {
    let simulator: XSimulator

    static let help = """
        GET    /sandbox            this text
        POST   /sandbox            one or more changes at once, for instance
                 {"advance":"20m"}  {"linger":"5m"}  {"connection":{"client_ip":"203.0.113.7","seconds":300}}
                 {"rules":{"add":[{"value":"cat","tag":"a"}],"delete":["dog"]}}  {"token":"next"}
                 {"certificate":"expired"}  {"search_loops":true}  {"usage":{"used":2999000}}  {"counts":{"cat":700}}
                 {"feed":{"rate":0},"fault":{"type":"close","after":50}}  {"clear_faults":true}
        GET    /sandbox/record     what was written to whom, as JSON (?lines=true: every line's id)
        GET    /sandbox/faults     the faults that are yet to happen
        POST   /sandbox/faults     one more, for instance
                 {"type":"close"}  {"type":"drop","after":100}  {"type":"reset","bytes":40}  {"type":"stall","seconds":60}
                 {"type":"quiet","seconds":120}  {"type":"line","text":"{\\"errors\\":[…]}"}  {"type":"duplicate","count":50}
                 {"type":"control","text":"SlowReader"}  {"type":"endless","bytes":50000000}  {"type":"truncate"}
                 {"type":"reorder","count":20}  {"type":"split","count":10,"bytes":1}
                 {"type":"refuse","endpoint":"stream","count":3,"answer":"rate-limit"}
                 {"type":"refuse","endpoint":"rules","after":2}  {"type":"lost-answer","endpoint":"rules"}
                 {"type":"refuse","answer":{"status":500,"body":"…","headers":{"x-rate-limit-reset":"…"}}}
                 {"type":"refuse","answer":{"status":503,"filler":52428800}}
                 {"type":"slow-header","seconds":1}  {"type":"silence"}  {"type":"gzip","count":2}
               answers by name: \(Refusal.named.keys.sorted().joined(separator: ", "))
        DELETE /sandbox/faults     none after all
        POST   /sandbox/feed       {"rate":100} lines a second, {"rate":0} flat out, {"stop":true} for good

        """

    func addRoutes(to router: RouterGroup<XContext>) {
        router.get { _, _ in Self.help }
        router.post { request, _ in
            try await change(request) { (change: SandboxChange) in simulator.apply(change) }
        }
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
            try await change(request) { (feed: SandboxChange.Feed) in
                var change = SandboxChange()
                change.feed = feed
                simulator.apply(change)
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
