package import Core
import FoundationEssentials

/// One thing that health depends on, judged by the age of what is pending and never by a flag that was set once.
package struct HealthCheck: Codable, Sendable, Equatable {
    /// What a check has found.
    package enum Status: String, Codable, Sendable, Comparable {
        case ok
        /// It works, but not as it should, or not for long.
        case degraded
        /// It does not work.
        case failing

        private var rank: Int { self == .ok ? 0 : self == .degraded ? 1 : 2 }

        package static func < (left: Status, right: Status) -> Bool { left.rank < right.rank }
    }

    package var name: String
    package var status: Status
    /// What was found, in words.
    package var detail: String
    /// What was measured, mostly an age in seconds; nil for a check without a number.
    package var value: Double?
    /// From when on it is no longer ok, in the unit of `value`.
    package var limit: Double?
    /// Since when it has been so, RFC 3339; nil when that is unknown, and while it is ok.
    package var since: String?
    /// What to do; nil while it is ok.
    package var remedy: String?

    /// A check that is ok.
    ///
    /// - Parameters:
    ///   - name: of the check.
    ///   - detail: what was found.
    /// - Returns: the check.
    package static func ok(_ name: String, _ detail: String) -> HealthCheck {
        HealthCheck(name: name, status: .ok, detail: detail)
    }

    package init(
        name: String, status: Status, detail: String, value: Double? = nil, limit: Double? = nil,
        since: Timestamp? = nil, remedy: String? = nil
    ) {
        (self.name, self.status, self.detail) = (name, status, detail)
        (self.value, self.limit) = (value, limit)
        self.since = status == .ok ? nil : since?.description
        self.remedy = status == .ok ? nil : remedy
    }

    /// Judges by an age.
    ///
    /// - Parameters:
    ///   - name: of the check.
    ///   - moment: when what is pending began; nil when nothing is.
    ///   - now: the time.
    ///   - limits: how old it may be.
    ///   - detail: what was found, by the age in words.
    ///   - remedy: what to do when it is too old.
    package init(
        _ name: String, since moment: Timestamp?, at now: Timestamp, _ limits: HealthLimits,
        detail: (String) -> String, remedy: String
    ) {
        let milliseconds = moment.map { max(0, now.milliseconds - $0.milliseconds) } ?? 0
        let age = Duration.milliseconds(milliseconds)
        self.init(
            name: name, status: age > limits.failing ? .failing : age > limits.degraded ? .degraded : .ok,
            detail: detail(shortAge(milliseconds / 1000)), value: Double(milliseconds) / 1000,
            limit: limits.degraded / .seconds(1), since: moment, remedy: remedy)
    }
}

/// How old what is pending may be.
package struct HealthLimits: Sendable, Equatable {
    package var degraded: Duration
    package var failing: Duration

    package init(degraded: Duration = .seconds(45), failing: Duration = .seconds(300)) {
        (self.degraded, self.failing) = (degraded, failing)
    }

    /// Limits of what is never worse than degraded.
    package static func degraded(after age: Duration) -> HealthLimits {
        HealthLimits(degraded: age, failing: .seconds(Int64(1) << 40))
    }

    package static let degradedSetting = Setting(
        "HEALTH_DEGRADED_AFTER", .duration, default: "45s",
        "Age of what is pending from which health is `degraded`: a line for Kafka, a message for PostgreSQL, an outage")
    package static let failingSetting = Setting(
        "HEALTH_FAILING_AFTER", .duration, default: "5m", "Age from which health is `failing`")

    /// Reads the settings; errors are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: the limits.
    package static func read(_ reader: inout SettingsReader) -> HealthLimits {
        let limits = HealthLimits(degraded: reader.duration(degradedSetting), failing: reader.duration(failingSetting))
        if limits.degraded < .seconds(1) || limits.failing < limits.degraded {
            reader.addMistake(
                "\(reader.origin(degradedSetting)): must be at least 1s, and at most \(failingSetting.title)")
        }
        return limits
    }
}

/// Whether a service works: the worst of its checks.
package struct HealthReport: Report, Decodable, Equatable {
    package let service: String
    package let status: HealthCheck.Status
    /// In the order of their weight: the first ones are what a healthy service is described by.
    package let checks: [HealthCheck]

    package init(service: String, checks: [HealthCheck]) {
        self.service = service
        self.checks = checks
        status = checks.map(\.status).max() ?? .ok
    }

    /// Reads what `/healthz` answers; nil for anything else.
    init?(json: String) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let report = try? decoder.decode(HealthReport.self, from: Data(json.utf8)) else { return nil }
        self = report
    }

    /// One line: what is wrong, or how it works.
    package var headline: String {
        let worst = checks.filter { $0.status == status }
        let shown = status == .ok ? worst.prefix(2) : worst[...]
        return shown.map(\.detail).joined(separator: "; ")
    }

    package func text(on terminal: Terminal?) -> String {
        let rows = checks.map { check in
            [check.status.rawValue, check.name, check.detail, check.remedy ?? ""]
        }
        let table = FittingTable(header: ["STATUS", "CHECK", "FOUND", "REMEDY"], rows: rows).text(on: terminal)
        return "\(service): \(status.rawValue)\n\(table)"
    }

    /// The line of a monitoring plugin: status, what is wrong, and the numbers (Monitoring Plugins Development Guidelines, 2.6).
    package var pluginLine: String {
        let words = [HealthCheck.Status.ok: "OK", .degraded: "WARNING", .failing: "CRITICAL"]
        let numbers = checks.compactMap { check in check.value.map { "\(check.name)=\(Self.plain($0))s" } }
        let text = headline.replacing("|", with: "/")
        return "\(service) \(words[status] ?? "UNKNOWN") - \(text)"
            + (numbers.isEmpty ? "" : " | " + numbers.joined(separator: " "))
    }

    private static func plain(_ number: Double) -> String {
        Int64(exactly: number.rounded()).map { "\($0)" } ?? "\(number)"
    }
}
