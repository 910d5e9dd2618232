/// What a scenario's step or `POST /sandbox` asks for; every member may be there or not.
struct SandboxChange: Sendable, Decodable {
    struct Feed: Sendable, Decodable {
        let rate: Double?
        let stop: Bool?
    }

    struct Rule: Sendable, Decodable {
        let value: String
        let tag: String?
    }

    struct Rules: Sendable, Decodable {
        let add: [Rule]?
        let delete: [String]?
    }

    struct Connection: Sendable, Decodable {
        let client_ip: String?
        let seconds: Double?
    }

    struct Usage: Sendable, Decodable {
        let form: AccountUsage.Form?
        let cap: Int64?
        let used: Int64?
        let reset_day: Int?
        let daily: [Int64]?
    }

    var fault: Fault?
    var clear_faults: Bool?
    var feed: Feed?
    var advance: SandboxDuration?
    var token: String?
    var rules: Rules?
    var linger: SandboxDuration?
    var connection: Connection?
    var certificate: CertificateKind?
    var usage: Usage?
    var counts: [String: Int64]?
    var search_loops: Bool?

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case fault, clear_faults, feed, advance, token, rules, linger, connection, certificate, usage, counts
        case search_loops
    }

    /// No change.
    init() {}

    init(from decoder: any Decoder) throws {
        try decoder.refuseMembers(except: CodingKeys.allCases.map(\.rawValue))
        let values = try decoder.container(keyedBy: CodingKeys.self)
        fault = try values.decodeIfPresent(Fault.self, forKey: .fault)
        clear_faults = try values.decodeIfPresent(Bool.self, forKey: .clear_faults)
        feed = try values.decodeIfPresent(Feed.self, forKey: .feed)
        advance = try values.decodeIfPresent(SandboxDuration.self, forKey: .advance)
        token = try values.decodeIfPresent(String.self, forKey: .token)
        rules = try values.decodeIfPresent(Rules.self, forKey: .rules)
        linger = try values.decodeIfPresent(SandboxDuration.self, forKey: .linger)
        connection = try values.decodeIfPresent(Connection.self, forKey: .connection)
        certificate = try values.decodeIfPresent(CertificateKind.self, forKey: .certificate)
        usage = try values.decodeIfPresent(Usage.self, forKey: .usage)
        counts = try values.decodeIfPresent([String: Int64].self, forKey: .counts)
        search_loops = try values.decodeIfPresent(Bool.self, forKey: .search_loops)
    }
}

/// Any member's name.
private struct AnyName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) {
        self.stringValue = stringValue
    }

    init?(intValue: Int) {
        nil
    }
}

extension Decoder {
    /// A member with a misspelt name would silently do nothing.
    func refuseMembers(except known: [String]) throws {
        let names = try container(keyedBy: AnyName.self).allKeys.map(\.stringValue)
        guard let unknown = names.first(where: { !known.contains($0) }) else { return }
        throw DecodingError.dataCorrupted(
            .init(
                codingPath: codingPath,
                debugDescription: "there is no '\(unknown)'; there are: \(known.joined(separator: ", "))"))
    }
}

extension XSimulator {
    /// Does what a change says, in the order of its members' declaration.
    func apply(_ change: SandboxChange) {
        if change.clear_faults == true { faults.clear() }
        if let fault = change.fault { inject(fault) }
        if let rate = change.feed?.rate { setRate(rate > 0 ? rate : nil) }
        if change.feed?.stop == true { stopFeed() }
        if let time = change.advance { advance(by: time.duration) }
        if let token = change.token { bearerToken = token }
        if let change = change.rules { changeRules(change) }
        if let time = change.linger { linger = time.duration }
        if let other = change.connection {
            addConnection(of: other.client_ip ?? "203.0.113.7", for: other.seconds.map { .seconds($0) })
        }
        if let kind = change.certificate { certificate = kind }
        if let new = change.usage { changeUsage(new) }
        if let new = change.counts { counts.merge(new) { $1 } }
        if let loops = change.search_loops { searchLoops = loops }
    }

    private func changeRules(_ change: SandboxChange.Rules) {
        if let values = change.delete { deleteRules(Set(values)) }
        if let new = change.add { addRules(new.map { ($0.value, $0.tag) }) }
    }

    private func changeUsage(_ new: SandboxChange.Usage) {
        var usage = usage
        usage.form = new.form ?? usage.form
        usage.cap = new.cap ?? usage.cap
        usage.used = new.used ?? usage.used
        usage.resetDay = new.reset_day ?? usage.resetDay
        usage.daily = new.daily ?? usage.daily
        self.usage = usage
    }
}
