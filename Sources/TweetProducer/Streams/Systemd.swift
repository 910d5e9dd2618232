import Core
import Foundation

/// Streams under systemd: instances of `tweet-producer@.service`, which belong to `tweet-streams.target`.
struct Systemd: StreamSupervisor {
    /// The name of a stream's unit. A stream's name needs no escaping; `systemd-escape` would change it.
    ///
    /// - Parameter stream: its name.
    /// - Returns: the unit.
    static func unit(_ stream: String) -> String { "tweet-producer@\(stream).service" }

    var isSupervising: Bool { true }

    /// The unit reads the settings file itself.
    func definition(of settings: StreamSettingsFile) -> String? { nil }

    /// The unit creates its folders.
    func prepare(_ settings: StreamSettingsFile) {}

    /// Settings files need none.
    func reload() {}

    private static let properties = [
        "Id", "LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "MainPID", "UnitFileState",
        "NeedDaemonReload",
    ]

    func look(for streams: [String]) throws(StreamsError) -> [String: StreamProcess] {
        var found: [String: StreamProcess] = [:]
        for (name, values) in try units(of: streams) {
            if streams.contains(name), values["LoadState"] == "not-found" {
                throw StreamsError(
                    .operator(.settings),
                    "systemd has no unit tweet-producer@.service: install deploy/systemd/tweet-producer@.service and"
                        + " tweet-streams.target in /etc/systemd/system, then systemctl daemon-reload")
            }
            guard streams.contains(name) || Self.isKnown(values) else { continue }
            found[name] = Self.process(values, isWanted: streams.contains(name))
        }
        return found
    }

    /// Streams that have a unit which runs, has failed, or would start with the host.
    ///
    /// - Parameter streams: those whose units are looked at although they may not be loaded.
    /// - Returns: by the stream's name.
    /// - Throws: `StreamsError`: `wait` when systemd does not answer.
    func left(of streams: [String]) throws(StreamsError) -> [String: StreamProcess] {
        try units(of: streams).filter { Self.isKnown($0.value) }.mapValues { Self.process($0, isWanted: false) }
    }

    /// Properties of units by the stream's name.
    private func units(of streams: [String]) throws(StreamsError) -> [String: [String: String]] {
        // A pattern names loaded units only; others are asked for by name.
        let units = ["tweet-producer@*.service"] + streams.map(Self.unit)
        let shown = try run(["show", "--property=\(Self.properties.joined(separator: ","))"] + units)
        let all = shown.split(separator: "\n\n").map(Self.values)
        return Dictionary(all.compactMap { values in Self.stream(values["Id"] ?? "").map { ($0, values) } }) { $1 }
    }

    /// Whether a unit that is not of the file has anything left: it runs, has failed, or would start with the host.
    private static func isKnown(_ values: [String: String]) -> Bool {
        values["ActiveState"] != "inactive" || values["UnitFileState"] == "enabled"
    }

    private static func stream(_ unit: String) -> String? {
        guard unit.hasPrefix("tweet-producer@"), unit.hasSuffix(".service") else { return nil }
        let name = String(unit.dropFirst("tweet-producer@".count).dropLast(".service".count))
        return StreamName.isValid(name) ? name : nil
    }

    private static func values(_ block: Substring) -> [String: String] {
        let pairs = block.split(separator: "\n").map {
            $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        }
        return Dictionary(pairs.map { (String($0[0]), $0.count > 1 ? String($0[1]) : "") }) { $1 }
    }

    /// States of systemd (org.freedesktop.systemd1, "Properties": ActiveState).
    private static func process(_ values: [String: String], isWanted: Bool) -> StreamProcess {
        let active = values["ActiveState"] ?? ""
        let state: StreamProcess.State =
            switch active {
            case "active", "reloading": .running
            case "activating": values["SubState"] == "auto-restart" ? .failed : .starting
            case "failed": .failed
            default: .stopped
            }
        var process = StreamProcess(state: state, word: "\(active) (\(values["SubState"] ?? ""))")
        process.pid = values["MainPID"].flatMap { Int32($0) }.flatMap { $0 > 0 ? $0 : nil }
        process.isStale = isWanted && values["UnitFileState"] != "enabled" || values["NeedDaemonReload"] == "yes"
        if state == .failed {
            process.reason = "\(values["Result"] ?? ""), exit status \(values["ExecMainStatus"] ?? "")"
        }
        return process
    }

    func stop(_ stream: String) throws(StreamsError) {
        try run(["disable", "--now", "--quiet", Self.unit(stream)])
        // A stream that has failed is forgotten, so that it can be started again.
        _ = try? run(["reset-failed", Self.unit(stream)])
    }

    /// The unit is of `Type=notify`: systemd answers when its settings are read, its journal is open and its threads run.
    func start(_ settings: StreamSettingsFile) throws(StreamsError) -> StreamStart {
        let unit = Self.unit(settings.stream)
        try run(["enable", "--quiet", unit])
        do throws(StreamsError) {
            try run(["start", unit])
            return .up
        } catch {
            let process = try look(for: [settings.stream])[settings.stream]
            if process?.state == .running { return .up }
            if process?.state == .starting { return .slow }
            return .failed("\(process?.reason ?? process?.word ?? "\(error)"); see journalctl -u \(unit)")
        }
    }

    /// Runs systemctl to its end.
    ///
    /// - Parameter arguments: of systemctl.
    /// - Returns: its standard output.
    /// - Throws: `StreamsError`: `wait` with what it wrote when it ends with another status than 0.
    @discardableResult
    private func run(_ arguments: [String]) throws(StreamsError) -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["systemctl", "--no-pager"] + arguments
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        do {
            try process.run()
            let text = try output.fileHandleForReading.readToEnd() ?? Data()
            let complaint = try errors.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            guard process.terminationStatus != 0 else { return String(decoding: text, as: UTF8.self) }
            let reason = String(decoding: complaint, as: UTF8.self).split(whereSeparator: \.isNewline)
                .joined(separator: " ").plain
            throw StreamsError(.wait, "systemctl \(arguments.joined(separator: " ")): \(reason)")
        } catch let error as StreamsError { throw error } catch {
            throw StreamsError(.wait, "systemctl cannot be started: \(error). Is systemd the host's init system?")
        }
    }
}
