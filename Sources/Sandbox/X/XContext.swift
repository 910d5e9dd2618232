import Core
import Hummingbird
import NIOCore

/// What a request of the simulator carries: Hummingbird's own, and the connection it came on.
struct XContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

typealias FieldName = HTTPFields.Element.Name

extension Response {
    /// An answer with a JSON body.
    init(status: Int, json: [UInt8]) {
        self.init(
            status: .init(code: status), headers: [.contentType: "application/json; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(bytes: json)))
    }

    /// One of X's refusals.
    init(_ refusal: Refusal) {
        self.init(
            status: .init(code: refusal.status), headers: [.contentType: refusal.contentType],
            body: refusal.responseBody)
        for (name, value) in refusal.headers { set(name, value) }
    }

    /// Sets a header; a name that HTTP does not allow is left out.
    mutating func set(_ name: String, _ value: String) {
        guard let name = FieldName(name) else { return }
        headers[name] = value
    }
}

extension Refusal {
    fileprivate var responseBody: ResponseBody {
        guard let filler, filler > 0 else { return .init(byteBuffer: ByteBuffer(string: body)) }
        return ResponseBody { writer in
            try await writer.write(ByteBuffer(string: body))
            let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: 65_536)
            for start in stride(from: 0, to: filler, by: 65_536) {
                try await writer.write(piece.getSlice(at: 0, length: min(65_536, filler - start)) ?? piece)
            }
            try await writer.finish(nil)
        }
    }
}

extension Timestamp {
    /// In HTTP's format (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    var httpDate: String {
        let days = milliseconds / 86_400_000
        let date = CivilDate(daysSince1970: days)
        // 1970-01-01 was a Thursday.
        let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][Int(days % 7)]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let day = date.day < 10 ? "0\(date.day)" : "\(date.day)"
        return "\(weekday), \(day) \(months[date.month - 1]) \(date.year) \(description.dropFirst(11).prefix(8)) GMT"
    }
}

/// What X checks before a request: the token, the budget, and queued faults.
struct XGate: RouterMiddleware {
    typealias Context = XContext

    let simulator: XSimulator
    let endpoint: String

    func handle(
        _ request: Request, context: XContext, next: (Request, XContext) async throws -> Response
    ) async throws -> Response {
        let record = stream(of: request).map { simulator.channel($0).record }
        record?.attempt()
        let (budget, mayPass) = simulator.limits.count("\(request.method) \(endpoint)")
        let fault = simulator.faults.nextRefusal(endpoint)
        var response: Response
        if fault?.type == .lostAnswer { _ = try await next(request, context) }
        if let refusal = fault.map({ $0.answer ?? .serverError() }) ?? refusal(of: request, mayPass: mayPass) {
            response = Response(refusal)
        } else {
            response = try await next(request, context)
        }
        if response.status.code >= 400 { record?.refuse(response.status.code) }
        if fault?.bare != true {
            response.setUnlessPresent("x-rate-limit-limit", String(budget.limit))
            response.setUnlessPresent("x-rate-limit-remaining", String(budget.remaining))
            response.setUnlessPresent("x-rate-limit-reset", String(budget.reset))
        }
        response.setUnlessPresent("x-access-level", "read")
        response.set("Date", simulator.clock.now.httpDate)
        return response
    }

    /// The stream that is asked for; nil for other endpoints.
    private func stream(of request: Request) -> SimulatedStream? {
        switch endpoint {
        case "stream": .filtered
        case "sample": .sample
        case "sample10": StreamEndpoint.stream(request, .sample10)
        default: nil
        }
    }

    private func refusal(of request: Request, mayPass: Bool) -> Refusal? {
        guard request.headers[.authorization] == "Bearer \(simulator.bearerToken)" else { return .unauthorized }
        return mayPass ? nil : .rateLimit
    }
}

extension Response {
    fileprivate mutating func setUnlessPresent(_ name: String, _ value: String) {
        guard let name = FieldName(name), headers[name] == nil else { return }
        headers[name] = value
    }
}
