import Core
import FoundationEssentials
import Hummingbird

/// `/2/connections` (documentation, "Connections"): lists what is or was open, and ends it.
///
/// Names and limits are X's; the values of `disconnect_reason` are made up, since X does not list its own.
struct ConnectionsEndpoint: Sendable {
    let simulator: XSimulator

    /// One connection as the endpoint reports it.
    private struct Listed {
        let id: String
        let endpoint: String
        let address: String
        let startedAt: Timestamp
        let endedAt: Timestamp?
        let reason: String?
    }

    private struct Choice: Decodable {
        let uuids: [String]
    }

    private static let fields = [
        "client_ip", "connected_at", "disconnect_reason", "disconnected_at", "endpoint_name", "id",
    ]

    func addRoutes(to router: RouterGroup<XContext>) {
        router.get { request, _ in list(request) }
        router.delete { request, _ in try await delete(request) }
        router.delete(":endpoint") { _, context in
            let name = context.parameters.get("endpoint") ?? ""
            let ours = simulator.channels.filter { name == "all" || name == $0.stream.endpointName }
            return killed(ours.flatMap { $0.record.killAll() })
        }
    }

    private func list(_ request: Request) -> Response {
        let query = request.uri.queryParameters
        let size = query["max_results"].flatMap { Int($0) } ?? 10
        let fields = Set(query["connection.fields"]?.split(separator: ",").map(String.init) ?? ["id"]).union(["id"])
        let status = query["status"].map(String.init) ?? "active"
        guard (1...100).contains(size), fields.isSubset(of: Self.fields),
            ["active", "inactive", "all"].contains(status)
        else { return Response(.invalidRequest("The query parameters of this endpoint have values it does not know")) }
        let endpoints = query["endpoints"].map { Set($0.split(separator: ",").map(String.init)) }
        let start = query["pagination_token"].flatMap { Int($0) } ?? 0
        let all = listed().filter { connection in
            endpoints?.contains(connection.endpoint) != false
                && (status == "all" || (connection.endedAt == nil) == (status == "active"))
        }
        let page = Array(all.dropFirst(start).prefix(size))
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data", objects: page) { write($1, fields, &$0) }
            answer.field("meta") { meta in
                meta.field("result_count", literal: page.count)
                if start + page.count < all.count { meta.field("next_token", String(start + page.count)) }
            }
        }
        return Response(status: 200, json: writer.bytes)
    }

    private func write(_ connection: Listed, _ fields: Set<String>, _ writer: inout JSONWriter) {
        let values: [String: String?] = [
            "id": connection.id, "client_ip": connection.address, "endpoint_name": connection.endpoint,
            "connected_at": connection.startedAt.description, "disconnected_at": connection.endedAt?.description,
            "disconnect_reason": connection.reason,
        ]
        for field in Self.fields where fields.contains(field) {
            if let value = values[field] ?? nil { writer.field(field, value) }
        }
    }

    /// What X believes: a connection that lingers is still open. Newest first.
    private func listed() -> [Listed] {
        simulator.channels.flatMap(listed).sorted { $0.startedAt > $1.startedAt }
    }

    private func listed(_ channel: StreamChannel) -> [Listed] {
        let now = channel.record.clock.now
        let (ours, others) = channel.record.state.withLock { ($0.connections, $0.others) }
        let endpoint = channel.stream.endpointName
        return ours.map { connection in
            let isActive = connection.isActive(at: now)
            return Listed(
                id: connection.id, endpoint: endpoint, address: connection.clientAddress,
                startedAt: connection.startedAt, endedAt: isActive ? nil : connection.endedAt,
                reason: isActive ? nil : connection.ending.reason)
        }
            + others.map { other in
                Listed(
                    id: other.id, endpoint: endpoint, address: other.clientAddress, startedAt: other.startedAt,
                    endedAt: other.isOpen(at: now) ? nil : other.killedAt ?? other.endsAt, reason: nil)
            }
    }

    private func delete(_ request: Request) async throws -> Response {
        var request = request
        let body = try await request.collectBody(upTo: 1 << 20)
        guard let choice = try? JSONDecoder().decode(Choice.self, from: Data(body.readableBytesView)),
            (1...100).contains(choice.uuids.count)
        else { return Response(.invalidRequest("The request body is not JSON of the form {\"uuids\": […]}")) }
        return killed(choice.uuids.map { id in (id, simulator.channels.contains { $0.record.kill(id) }) })
    }

    private func killed(_ results: [(id: String, isDone: Bool)]) -> Response {
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data") { data in
                data.field("successful_kills", literal: results.count { $0.isDone })
                data.field("failed_kills", literal: results.count { !$0.isDone })
                data.field("results", objects: results) { object, result in
                    object.field("uuid", result.id)
                    object.field("success", literal: result.isDone)
                    if !result.isDone { object.field("error_message", "The connection is not open") }
                }
            }
        }
        return Response(status: 200, json: writer.bytes)
    }
}

extension StreamConnection.Ending {
    fileprivate var reason: String {
        switch self {
        case .open, .client: "client-disconnected"
        case .closed, .dropped, .reset: "operational-disconnect"
        case .killed: "killed-by-client"
        case .displaced: "force-disconnect"
        }
    }
}

extension StreamRecord {
    /// Ends a connection that X counts as open; returns whether there was one.
    func kill(_ id: String) -> Bool {
        let now = clock.now
        return state.withLock { state in
            if let index = state.connections.firstIndex(where: { $0.id == id }) {
                guard state.connections[index].isActive(at: now) else { return false }
                if state.connections[index].ending == .open { state.connections[index].end(.killed, at: now) }
                state.connections[index].lingersUntil = nil
                return true
            }
            guard let index = state.others.firstIndex(where: { $0.id == id }), state.others[index].isOpen(at: now)
            else { return false }
            state.others[index].killedAt = now
            return true
        }
    }

    /// Ends all that count as open.
    func killAll() -> [(id: String, isDone: Bool)] {
        let now = clock.now
        let open = state.withLock { state in
            state.connections.filter { $0.isActive(at: now) }.map(\.id)
                + state.others.filter { $0.isOpen(at: now) }.map(\.id)
        }
        return open.map { ($0, kill($0)) }
    }
}

extension XSimulator {
    /// How long a connection that ends from now on counts as open all the same, as at X after an unclean end.
    package var linger: Duration {
        get { record.state.withLock { $0.linger } }
        set { record.state.withLock { $0.linger = newValue } }
    }

    /// Lets another client, on another machine, hold a connection to the stream.
    ///
    /// - Parameters:
    ///   - address: what the Connections API reports as `client_ip`.
    ///   - duration: how long; nil until it is killed.
    ///   - age: how long it has been open already.
    /// - Returns: the connection's id.
    @discardableResult
    package func addConnection(
        of address: String = "203.0.113.7", for duration: Duration? = nil, age: Duration = .zero
    ) -> String {
        let other = OtherConnection(
            id: UUID().uuidString.lowercased(), clientAddress: address,
            startedAt: clock.now.advanced(by: .zero - age),
            endsAt: duration.map { clock.now.advanced(by: $0) })
        record.state.withLock { $0.others.append(other) }
        return other.id
    }

    /// Whether a connection of another client is still open.
    package func isOpen(_ id: String) -> Bool {
        let now = clock.now
        return record.state.withLock { $0.others.contains { $0.id == id && $0.isOpen(at: now) } }
    }

    func addConnectionRoutes(to router: Router<XContext>) {
        ConnectionsEndpoint(simulator: self).addRoutes(
            to: router.group("2/connections").add(middleware: XGate(simulator: self, endpoint: "connections")))
    }
}
