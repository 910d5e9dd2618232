import Core

/// Finds brokers at addresses that a client of this host cannot use.
extension ServerDoctor {
    /// The brokers that a cluster names: clients connect to each one at the address that it advertises, and not at that of
    /// `bootstrap.servers`.
    ///
    /// - Parameters:
    ///   - brokers: the addresses that the brokers advertise, by their ids.
    ///   - servers: `bootstrap.servers`; what they contain has been looked at.
    ///   - hasTLS: whether `security.protocol` is one with TLS.
    ///   - now: the time.
    /// - Returns: a failure when brokers cannot be connected to; nothing when there are no others.
    package static func brokers(
        _ brokers: [Int: TCPServer], beside servers: String, hasTLS: Bool, now: Timestamp
    ) -> [DoctorFinding] {
        let known = Set(addresses(servers).map { TCPServer(host: $0.host.lowercased(), port: $0.port) })
        let others = brokers.sorted { $0.key < $1.key }.filter { broker in
            !known.contains(TCPServer(host: broker.value.host.lowercased(), port: broker.value.port))
        }
        guard !others.isEmpty else { return [] }
        let tried = Array(others.prefix(AddressDoctor.most))
        let looks = onThreads(tried) { id, server in
            var found = look(
                at: server, as: "broker \(id) \(server.host)", hasTLS ? .direct : nil, now,
                withoutTLS: "advertised.listeners of the broker: the address of its listener with TLS")
            found.failure = found.failure.map { "broker \(id), \($0)" }
            return found
        }
        let odd = looks.compactMap(\.finding).filter { $0.status != .ok }
        return [judge(looks.compactMap(\.failure), of: tried.count, untried: others.count - tried.count)] + odd
    }

    private static func judge(_ lost: [String], of count: Int, untried: Int) -> DoctorFinding {
        let name = "brokers"
        var detail = "\(count - lost.count) of \(count) beside KAFKA_BOOTSTRAP_SERVERS accept connections"
        if untried > 0 { detail += "; \(untried) more were not tried" }
        guard !lost.isEmpty else { return .ok(name, detail) }
        return .fail(
            name, "\(detail); not \(lost.joined(separator: "; "))",
            remedy:
                "advertised.listeners of these brokers: an address that this host can resolve and reach; else check the "
                + "name service and firewalls", .wait)
    }
}
