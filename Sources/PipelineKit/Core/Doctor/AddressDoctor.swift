import Glibc

/// Finds addresses of servers that do not accept connections: a client that tries them in turn waits for each one before.
package struct AddressDoctor {
    /// What became of one address.
    package struct Outcome: Sendable {
        let server: TCPServer
        /// Nil when the name has none.
        let address: TCPAddress?
        /// Why it does not accept; nil when it does.
        let failure: String?
    }

    /// How many are tried, at once; the others are counted.
    package static let most = 32

    private let name: String
    private let servers: [TCPServer]
    private let role: String
    private let patience: Duration

    /// - Parameters:
    ///   - name: of the check.
    ///   - servers: those of which a client needs one.
    ///   - role: what they are, for the report, such as `proxy `.
    ///   - patience: for all addresses together; the resolver has its own.
    package init(_ name: String, _ servers: [TCPServer], role: String = "", patience: Duration = .seconds(5)) {
        (self.name, self.servers, self.role, self.patience) = (name, servers, role, patience)
    }

    /// Tries all addresses.
    ///
    /// - Returns: a warning for those that do not accept while others do, a failure when none does; nil without a server.
    package var finding: DoctorFinding? {
        guard !servers.isEmpty else { return nil }
        let resolved = onThreads(servers) { server in
            Swift.Result { () throws(TCPConnectError) in try server.addresses() }
        }
        var (addresses, outcomes): ([(TCPServer, TCPAddress)], [Outcome]) = ([], [])
        for (server, result) in zip(servers, resolved) {
            switch result {
            case .success(let found): addresses += found.map { (server, $0) }
            case .failure(let error):
                outcomes.append(Outcome(server: server, address: nil, failure: error.description))
            }
        }
        return judge(outcomes + tried(addresses.prefix(Self.most)), untried: addresses.count - Self.most)
    }

    private func tried(_ addresses: ArraySlice<(TCPServer, TCPAddress)>) -> [Outcome] {
        let patience = patience
        return onThreads(Array(addresses)) { server, address in
            do throws(TCPConnectError) {
                close(try address.open(patience: patience))
                return Outcome(server: server, address: address, failure: nil)
            } catch { return Outcome(server: server, address: address, failure: error.description) }
        }
    }

    /// Judges what became of the addresses.
    ///
    /// - Parameters:
    ///   - outcomes: in the order in which clients try them.
    ///   - untried: how many more there are, at most.
    /// - Returns: what was found.
    package func judge(_ outcomes: [Outcome], untried: Int = 0) -> DoctorFinding {
        let counts = [(false, "IPv4"), (true, "IPv6")].compactMap { isIPv6, family -> String? in
            let all = outcomes.filter { $0.address?.isIPv6 == isIPv6 }
            let count = all.count { $0.failure == nil }
            return all.isEmpty ? nil : "\(count) of \(all.count) \(family)"
        }
        let places = role + servers.map(\.description).joined(separator: ", ")
        var detail = counts.isEmpty ? "\(places): no address" : "\(places): \(counts.joined(separator: " and "))"
        if !counts.isEmpty { detail += " addresses accept connections" }
        if untried > 0 { detail += "; \(untried) more were not tried" }
        let lost = outcomes.compactMap { outcome in
            outcome.failure.map { "\(outcome.address?.description ?? outcome.server.host) (\($0))" }
        }
        guard !lost.isEmpty else { return .ok(name, detail) }
        detail += "; not \(lost.joined(separator: ", "))"
        guard outcomes.contains(where: { $0.failure == nil }) else {
            return .fail(name, detail, remedy: "check the name service, routes and firewalls", .wait)
        }
        // Where the host has no route at all, as without IPv6, connect(2) fails at once: nobody waits for it.
        let costsNothing = unsafe String(cString: strerror(ENETUNREACH))
        guard outcomes.contains(where: { $0.failure != nil && $0.failure != costsNothing }) else {
            return .ok(name, detail)
        }
        return .warning(
            name, detail,
            remedy:
                "make it reachable (route, firewall), or remove it from DNS: a client may wait for it before it tries "
                + "the next one; gai.conf(5) has the order")
    }
}
