import Core
import FoundationEssentials
import HTTP
import XAPI

/// A connection as X lists it (X: "Connections", `GET /2/connections`).
struct ListedConnection: Equatable, Sendable {
    let id: String
    let connectedAt: Timestamp
}

/// Closes connections that X still holds for us although we have left them, through X's Connections API.
///
/// X does not report the id of a connection to its client. A listed one is taken for ours when it was begun while we were
/// being answered with 200, as this host has recorded it: on the plans with one connection no other client can have been
/// connected at that moment. When two fit the same moment, neither is touched. Ask only while none of ours is open.
struct StaleConnections {
    enum Outcome: Equatable {
        /// So many of ours were closed.
        case closed(Int)
        /// None is ours for certain; the number that X lists.
        case others(Int)
    }

    private let api: XAPI
    private let endpointName: String

    private static let path = "/2/connections"
    /// X's clock is read from its answer in whole seconds.
    private static let slack = Duration.seconds(2)

    /// - Parameters:
    ///   - settings: how to reach X.
    ///   - kind: of the stream that ours read.
    ///   - stop: ends calls.
    init(_ settings: XSettings, kind: StreamKind = .filtered, stop: Stop) {
        api = XAPI(settings, stop: stop)
        endpointName = kind.endpointName
    }

    /// Looks for ours among X's active connections, and closes them.
    ///
    /// - Throws: `XError` when X does not list or close them.
    func close(_ opened: [OpenedConnection]) throws(XError) -> Outcome {
        let answer = try list()
        let listed = read(answer.body)
        let offset = answer.date.map { Duration.milliseconds($0.milliseconds - Timestamp.now().milliseconds) } ?? .zero
        let ours = Self.ours(among: listed, opened, offset: offset)
        guard !ours.isEmpty else { return .others(listed.count) }
        let ids = ours.map { JSONText.string($0) }.joined(separator: ",")
        let closed = try api.delete(Self.path, body: Array("{\"uuids\":[\(ids)]}".utf8))
        let kills = (try? JSONDecoder().decode(JSONValue.self, from: Data(closed)))?["data"]?["successful_kills"]?
            .number
        return kills.map { $0 > 0 } ?? true ? .closed(Int(kills ?? Double(ours.count))) : .others(listed.count)
    }

    /// How many connections X lists, whoever has opened them.
    ///
    /// - Throws: `XError` when X does not list them.
    func count() throws(XError) -> Int { read(try list().body).count }

    private func list() throws(XError) -> HTTPAnswer {
        try api.call(
            "GET", Self.path,
            [
                ("status", "active"), ("endpoints", endpointName), ("max_results", "100"),
                ("connection.fields", "client_ip,connected_at,disconnect_reason,endpoint_name,id"),
            ])
    }

    /// The listed connections that can only be ones we have left.
    ///
    /// - Parameters:
    ///   - listed: X's list.
    ///   - opened: what this host has recorded of our own.
    ///   - offset: how far X's clock is ahead of ours.
    /// - Returns: their ids.
    static func ours(
        among listed: [ListedConnection], _ opened: [OpenedConnection], offset: Duration
    ) -> [String] {
        var found: Set<String> = []
        for own in opened {
            let from = Timestamp(milliseconds: own.begun).advanced(by: offset - slack)
            let to = Timestamp(milliseconds: own.opened).advanced(by: offset + slack)
            let fitting = listed.filter { from <= $0.connectedAt && $0.connectedAt <= to }
            if fitting.count == 1 { found.insert(fitting[0].id) }
            if fitting.count > 1 { return [] }
        }
        return found.sorted()
    }

    private func read(_ body: [UInt8]) -> [ListedConnection] {
        let answer = try? JSONDecoder().decode(JSONValue.self, from: Data(body))
        return (answer?["data"]?.elements ?? []).compactMap { connection in
            guard let id = connection["id"]?.text, let text = connection["connected_at"]?.text,
                let connectedAt = Timestamp(text),
                connection["endpoint_name"]?.text.map({ $0.hasPrefix(endpointName) }) ?? true,
                connection["disconnected_at"]?.text == nil
            else { return nil }
            return ListedConnection(id: id, connectedAt: connectedAt)
        }
    }
}
