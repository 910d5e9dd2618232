package import Core
import FoundationEssentials

/// What `/status` answers: everything that a service knows about itself, from memory alone.
package struct ServiceStatus: Report, Codable, Equatable, Sendable {
    /// A loop of the service.
    package struct Loop: Codable, Equatable, Sendable {
        package let name: String
        /// When it last gave a sign of life, RFC 3339; nil for never.
        package let lastBeat: String?
    }

    /// The program's name.
    package let service: String
    package let productVersion: String
    /// When this was read, by the clock of the service, RFC 3339; nil from an older service.
    package let at: String?
    package let isReady: Bool
    /// Why it is not ready.
    package let waiting: [String]
    package let isAlive: Bool
    /// Loops without a sign of life for too long.
    package let silent: [String]
    package let loops: [Loop]
    package let status: HealthCheck.Status
    package let checks: [HealthCheck]
    /// The values of `/metrics`; empty from an older service.
    package let metrics: [MetricReading]

    init(
        _ service: String, _ health: ServiceHealth, _ report: HealthReport, _ metrics: [MetricReading],
        at now: Timestamp = .now()
    ) {
        (status, checks, self.metrics) = (report.status, report.checks, metrics)
        self.service = service
        productVersion = Core.productVersion
        at = now.description
        (waiting, silent) = (health.obstacles, health.silent)
        (isReady, isAlive) = (waiting.isEmpty, silent.isEmpty)
        loops = health.beats.map { loop in
            Loop(
                name: loop.loop, lastBeat: loop.last > 0 ? Timestamp(milliseconds: loop.last).description : nil)
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        service = try container.decode(String.self, forKey: .service)
        productVersion = try container.decode(String.self, forKey: .productVersion)
        at = try container.decodeIfPresent(String.self, forKey: .at)
        isReady = try container.decode(Bool.self, forKey: .isReady)
        waiting = try container.decode([String].self, forKey: .waiting)
        isAlive = try container.decode(Bool.self, forKey: .isAlive)
        silent = try container.decode([String].self, forKey: .silent)
        loops = try container.decode([Loop].self, forKey: .loops)
        status = try container.decode(HealthCheck.Status.self, forKey: .status)
        checks = try container.decode([HealthCheck].self, forKey: .checks)
        metrics = try container.decodeIfPresent([MetricReading].self, forKey: .metrics) ?? []
    }

    /// Reads an answer; nil for anything else.
    ///
    /// - Parameter json: the body of the answer.
    package init?(json: String) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let status = try? decoder.decode(ServiceStatus.self, from: Data(json.utf8)) else { return nil }
        self = status
    }

    package func text(on terminal: Terminal?) -> String { json() }

    /// The one value of a metric without labels; nil when the service has no such metric.
    ///
    /// - Parameter name: as `/metrics` has it, such as `tweet_producer_x_connected`.
    /// - Returns: the value; nil for NaN and infinity, too.
    package func value(_ name: String) -> Double? {
        metrics.first { $0.name == name && $0.labels.isEmpty }?.value
    }

    /// The series of a metric.
    ///
    /// - Parameter name: as `/metrics` has it.
    /// - Returns: the series with their labels; none when the service has no such metric.
    package func series(_ name: String) -> [MetricReading] {
        metrics.filter { $0.name == name }
    }
}

extension ServiceQuestion {
    /// Asks for `/status`.
    ///
    /// - Parameter patience: for the whole answer.
    /// - Returns: what the service knows about itself.
    /// - Throws: `ServiceSilence` when nothing answers, the token is rejected, or the answer is no status.
    package func status(patience: Duration = .seconds(2)) throws(ServiceSilence) -> ServiceStatus {
        let answer = try ask("/status", patience: patience)
        if let status = ServiceStatus(json: answer.body) { return status }
        throw ServiceSilence(
            answer.status == 401
                ? "\(place) rejects the token: STATUS_TOKEN_FILE is not the service's"
                : "\(place) answers \(answer.status), and not as /status of a service does")
    }
}
