import ArgumentParser
import Core
import Glibc

/// `logs`, the same for every service.
package struct LogsCommand<Configured: ConfiguredService>: ParsableCommand {
    /// For the argument parser.
    public static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "logs", abstract: "Ship what is left of the log.", subcommands: [Ship.self])
    }

    /// Required by the argument parser.
    public init() {}

    struct Ship: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "ship", abstract: "Ship what an ended run has left in its spool.",
                discussion: """
                    Sends the log events in LOG_HTTP_SPOOL that the receiver (LOG_HTTP_URL) does not have, and an event about \
                    the crash when the run has crashed; takes at most LOG_HTTP_DRAIN. The next start does the same, so this \
                    is for systemd, which knows how the run has ended:

                      ExecStopPost=-\(Configured.program) logs ship

                    Exit status: 0 done, 69 the receiver is unreachable, 75 a process uses the spool, 78 invalid settings.
                    """)
        }

        @OptionGroup(title: "Common") var common: SettingFlags<CommonSettings>

        @OptionGroup var output: OutputOptions

        func run() throws {
            try runCommand {
                Service.prepareProcess()
                var reader = try SettingsReader(flags: common.values, known: Configured.known)
                CommonSettings.startLogging(&reader)
                let settings = LogShippingSettings.read(&reader)
                if reader.mistakes.isEmpty {
                    _ = reader.required(LogHTTPSettings.url, why: "the log is not shipped without it")
                    _ = reader.required(LogHTTPSettings.spool, why: "only a spool keeps events of an ended run")
                }
                try reader.finish()
                guard let settings, let spool = settings.spool else { return }
                let report = try ShipReport(ship(settings, spool))
                output.show(report)
                if report.left > 0 {
                    throw Failure(
                        .unavailable,
                        "\(counted(report.left, "log event")) could not be shipped (\(report.reason)) and stay in \(spool)"
                            + " for the next start")
                }
            }
        }

        private func ship(_ settings: LogShippingSettings, _ spool: String) throws -> LogShipping.Shipped {
            do {
                return try LogShipping.ship(
                    settings, from: spool, service: Configured.program, ProcessEnvironment.current)
            } catch let error as FileError {
                guard error.code == EWOULDBLOCK else { throw Failure(.disk, "LOG_HTTP_SPOOL: \(error)") }
                throw Failure(.tryAgain, "LOG_HTTP_SPOOL: a running service uses \(spool) and ships it itself")
            }
        }
    }
}

/// What `logs ship` prints.
private struct ShipReport: Report {
    let shipped: Int64
    let rejected: Int64
    let left: Int64
    let reason: String

    init(_ result: LogShipping.Shipped) {
        (shipped, rejected, left) = (result.shipped, result.rejected, result.left)
        reason = result.left > 0 ? result.reason : ""
    }

    func text(on terminal: Terminal?) -> String {
        "\(counted(shipped, "log event")) shipped, \(rejected) rejected, \(left) left"
    }
}
