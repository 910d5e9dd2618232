package import ArgumentParser
package import Core

/// The options and the work of `health` of every service: asks the running service of this host.
package struct HealthOptions: ParsableArguments {
    /// How the report is printed.
    @OptionGroup package var output: OutputOptions

    /// Whether `degraded` counts as a failure.
    @Flag(help: "Exit with 1 when the service is degraded, too.")
    package var strict = false

    /// Whether the exit status is that of a monitoring plugin.
    @Flag(help: "Exit as a monitoring plugin does: 0 ok, 1 degraded, 2 failing, 3 no answer.")
    package var nagios = false

    /// Whether every check is listed.
    @Flag(help: "List every check.")
    package var verbose = false

    /// Required by the argument parser.
    public init() {}

    /// What a service has answered, or why it has not.
    private struct Silence: Report {
        let service: String
        let status = "unknown"
        let reason: String

        func text(on terminal: Terminal?) -> String { "\(service) UNKNOWN - \(reason)" }
    }

    /// Asks the service, prints its answer, and returns the exit status.
    ///
    /// - Parameters:
    ///   - service: the program's name.
    ///   - settings: where it listens; nil for nowhere.
    /// - Returns: 0 for a service that works, 1 for one that does not or does not answer; with `--nagios` 0 to 3.
    package func ask(_ service: String, _ settings: ListenSettings?) -> Int32 {
        do throws(ServiceSilence) {
            guard let settings else { throw ServiceSilence("LISTEN is off, so the service answers no questions") }
            let report = try Self.report(of: ServiceQuestion(settings))
            show(report)
            return status(report.status)
        } catch {
            output.show(Silence(service: service, reason: error.description))
            return nagios ? 3 : 1
        }
    }

    private func show(_ report: HealthReport) {
        if output.json || verbose { output.show(report) } else { print(report.pluginLine) }
    }

    private func status(_ found: HealthCheck.Status) -> Int32 {
        switch found {
        case .ok: 0
        case .degraded: strict || nagios ? 1 : 0
        case .failing: nagios ? 2 : 1
        }
    }

    private static func report(of question: ServiceQuestion) throws(ServiceSilence) -> HealthReport {
        let answer = try question.ask("/healthz")
        guard let report = HealthReport(json: answer.body) else {
            throw ServiceSilence(
                answer.status == 401
                    ? "the service rejects the token: STATUS_TOKEN_FILE is not the service's"
                    : "the answer with status \(answer.status) is not that of /healthz")
        }
        return report
    }
}
