import Core
import Glibc

/// What is known of a run that has ended without an end: by a signal, a trap, a lack of memory, or a power cut.
///
/// While a service with a spool runs, its file `running` is there. Whoever finds the file, and has the spool's lock, finds a
/// crash. Nothing is sent from a signal handler: almost nothing is allowed there (signal-safety(7)).
struct CrashReport: Sendable {
    let run: SpoolFolder.Run
    /// When the run logged its last event; empty when none is in the spool.
    let lastEvent: String
    /// systemd's account of the end; empty without systemd (systemd.exec(5), SERVICE_RESULT).
    var ending: [(name: String, value: String)] = []
    /// The newest report of Swift's runtime in the folder that SWIFT_BACKTRACE names; empty for none.
    var backtrace = ""

    /// What there is to say about the last run of a spool; nil when it has ended well.
    ///
    /// - Parameters:
    ///   - folder: whose lock this process has.
    ///   - environment: of this process.
    /// - Returns: the report.
    static func find(in folder: SpoolFolder, _ environment: [String: String]) -> CrashReport? {
        guard let run = folder.run.value else { return nil }
        let last = folder.lastLine.map { EventParts($0).time.map { "\($0)" } ?? "" } ?? ""
        var report = CrashReport(run: run, lastEvent: last)
        report.ending = [
            ("service_result", "SERVICE_RESULT"), ("exit_code", "EXIT_CODE"), ("exit_status", "EXIT_STATUS"),
        ].compactMap { name, variable in environment[variable].map { (name, $0) } }
        report.backtrace = newestBacktrace(environment["SWIFT_BACKTRACE"] ?? "", since: run.started) ?? ""
        return report
    }

    /// Records that a run has begun; without a disk a crash is not noticed.
    static func begin(in folder: SpoolFolder) {
        try? folder.run.write(SpoolFolder.Run(pid: getpid(), started: "\(Timestamp.now())"))
    }

    /// Records that the run has ended, or that its crash is in the spool.
    static func end(in folder: SpoolFolder) { try? folder.run.remove() }

    /// The event about the crash.
    func line(_ source: EventSource) -> String {
        var fields = [("pid", "\(run.pid)"), ("started_at", JSONText.string(run.started))]
        for (name, value) in [("last_event_at", lastEvent)] + ending + [("backtrace", backtrace)] where !value.isEmpty {
            fields.append((name, JSONText.string(value)))
        }
        return source.line(
            level: "critical", "the previous run of the service has crashed",
            fields.map { (name: $0.0, json: $0.1) }, time: .now())
    }

    private static func newestBacktrace(_ options: String, since started: String) -> String? {
        guard let option = options.split(separator: ",").first(where: { $0.hasPrefix("output-to=") }),
            let begin = Timestamp(started)
        else { return nil }
        let folder = String(option.dropFirst("output-to=".count))
        let names = (try? JournalFolder.names(folder)) ?? []
        let found = names.compactMap { name -> (path: String, modified: Timestamp)? in
            let path = folder + "/" + name
            guard let modified = try? JournalFile(reading: path).status().modified, modified >= begin else {
                return nil
            }
            return (path, modified)
        }
        return found.max { $0.modified < $1.modified }?.path
    }
}
