import Core
import Glibc
import Journal

/// Streams under supervisord: one program a stream, one file a program, calls on its socket.
struct Supervisord: StreamSupervisor {
    let client: SupervisordClient
    let program: SupervisordProgram
    /// Of the files that it includes.
    let programs: String
    /// Whom new folders of the journal belong to; nil for this process's user.
    let owner: (user: uid_t, group: gid_t)?
    /// How long a stream has to open its journal.
    var patience = Duration.seconds(60)

    var isSupervising: Bool { true }

    func definition(of settings: StreamSettingsFile) -> String? { program.text(settings) }

    func prepare(_ settings: StreamSettingsFile) throws(StreamsError) {
        do throws(FileError) {
            try FilePath.create(program.logs, owner: nil, mode: 0o755)
            try FilePath.create(settings.value(JournalSettings.folder) ?? "/", owner: owner, mode: 0o750)
        } catch { throw StreamsError(error) }
    }

    // MARK: Look

    func look(for streams: [String]) throws(StreamsError) -> [String: StreamProcess] {
        try program.requirePlainPaths()
        try requireOwnNames(streams)
        try requirePrivateSocket()
        return try processes(stale: reread())
    }

    /// The programs of streams that supervisord has loaded.
    ///
    /// - Parameter stale: those whose loaded definition differs from the file.
    /// - Returns: by the stream's name.
    /// - Throws: `StreamsError`: `wait` when supervisord does not answer.
    func processes(stale: Set<String>) throws(StreamsError) -> [String: StreamProcess] {
        var found: [String: StreamProcess] = [:]
        for info in try ask("getAllProcessInfo").elements {
            guard let group = info["group"]?.text, let name = Self.stream(of: group) else { continue }
            found[name] = process(info, name, isStale: stale.contains(group))
        }
        return found
    }

    func reload() throws(StreamsError) { _ = try reread() }

    /// Lets supervisord read its files; nothing is started or stopped.
    ///
    /// - Returns: the programs whose loaded definition differs from the file.
    private func reread() throws(StreamsError) -> Set<String> {
        do {
            let lists = try client.call("reloadConfig").elements.first?.elements ?? []
            return Set((lists.count > 1 ? lists[1] : .none).elements.compactMap(\.text))
        } catch let fault as XMLRPC.Fault where fault.code == SupervisordClient.FaultCode.cannotReread {
            throw StreamsError(
                .operator(.settings),
                "supervisord cannot read its configuration: \(Self.oneLine(fault.text)). Fix that file; nothing was changed."
            )
        } catch { throw Self.error(error) }
    }

    private static func stream(of group: String) -> String? {
        guard group.hasPrefix(SupervisordProgram.prefix) else { return nil }
        return String(group.dropFirst(SupervisordProgram.prefix.count))
    }

    /// States of supervisord (`supervisor.states.ProcessStates`).
    private func process(_ info: XMLRPCValue, _ name: String, isStale: Bool) -> StreamProcess {
        let word = info["statename"]?.text ?? "UNKNOWN"
        let state: StreamProcess.State =
            switch word {
            case "RUNNING": .running
            case "STARTING": .starting
            case "STOPPED", "STOPPING": .stopped
            default: .failed
            }
        var process = StreamProcess(state: state, word: word, isStale: isStale)
        if let pid = info["pid"]?.number, pid > 0 { process.pid = Int32(clamping: pid) }
        if state == .failed { process.reason = reason(info, name) }
        return process
    }

    /// What a stream that ended has written last, else what supervisord knows.
    private func reason(_ info: XMLRPCValue, _ name: String) -> String {
        let status = info["exitstatus"]?.number ?? 0
        let known = status != 0 ? "exit status \(status)" : info["spawnerr"]?.text ?? ""
        let group = SupervisordProgram.prefix + name
        let log = try? client.call("readProcessStderrLog", .text(group), .number(-4096), .number(0)).text
        let errors = Self.lastErrors(log ?? "")
        if !errors.isEmpty { return errors.joined(separator: "; ") }
        return (known.isEmpty ? "" : "\(known); ") + "see \(program.log(name))"
    }

    /// The errors at the end of a log, each once; a program that ended without one has none.
    ///
    /// - Parameter log: the end of a stream's log.
    /// - Returns: the errors without the program's name.
    static func lastErrors(_ log: String) -> [String] {
        let mark = "tweet-producer: error: "
        var errors: [String] = []
        for line in log.split(separator: "\n").reversed() {
            guard line.hasPrefix(mark) else { break }
            let error = String(line.dropFirst(mark.count))
            if !errors.contains(error) { errors.insert(error, at: 0) }
        }
        return errors
    }

    /// A later definition of the same program wins in supervisord, silently.
    private func requireOwnNames(_ streams: [String]) throws(StreamsError) {
        let names = Set(streams.map { "[program:\(SupervisordProgram.prefix)\($0)]" })
        let files = (try? JournalFolder.names(programs)) ?? []
        for file in files.sorted() where file.hasSuffix(".conf") {
            guard let text = try? readTextFile("\(programs)/\(file)") else { continue }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            if lines.first?.contains(StreamSettingsFile.mark) == true { continue }
            for (index, line) in lines.enumerated() where names.contains(line.trimmed) {
                throw StreamsError(
                    .operator(.settings),
                    "\(programs)/\(file):\(index + 1): \(line.trimmed) has the name of a stream's program; rename one of them"
                )
            }
        }
    }

    /// Whoever may write to the socket starts what he likes as supervisord's user, who is usually root.
    private func requirePrivateSocket() throws(StreamsError) {
        // A socket that cannot be looked at cannot be called either, which says more.
        guard let status = try? FilePath.status(client.socket), status.mode & 0o002 != 0 else { return }
        throw StreamsError(
            .operator(.settings),
            "\(client.socket): every user may write to it, and so choose what supervisord starts; set chmod=0700 below"
                + " [unix_http_server] in its configuration, and restart it")
    }

    // MARK: Stop and start

    func stop(_ stream: String) throws(StreamsError) {
        let group = SupervisordProgram.prefix + stream
        do {
            try expecting([SupervisordClient.FaultCode.badName]) {
                _ = try client.call("stopProcessGroup", .text(group), .flag(true))
                try remove(group)
            }
        } catch { throw Self.error(error) }
    }

    /// What starts or stops just now is stopped again.
    private func remove(_ group: String) throws {
        let deadline = ContinuousClock.now + patience
        while true {
            do {
                _ = try client.call("removeProcessGroup", .text(group))
                return
            } catch let fault as XMLRPC.Fault where fault.code == SupervisordClient.FaultCode.stillRunning {
                guard ContinuousClock.now < deadline else { throw fault }
                usleep(100_000)
                _ = try client.call("stopProcessGroup", .text(group), .flag(true))
            }
        }
    }

    func start(_ settings: StreamSettingsFile) throws(StreamsError) -> StreamStart {
        let group = SupervisordProgram.prefix + settings.stream
        do {
            try expecting([SupervisordClient.FaultCode.alreadyAdded]) {
                _ = try client.call("addProcessGroup", .text(group))
            }
            return try awaitUp(settings, group)
        } catch let fault as XMLRPC.Fault where fault.code == SupervisordClient.FaultCode.badName {
            throw StreamsError(
                .operator(.settings),
                "supervisord does not include \(programs)/\(group).conf: add `files = \(programs)/*.conf` below [include]"
                    + " in its configuration")
        } catch { throw Self.error(error) }
    }

    /// supervisord starts the program within a second; it is up when it says so in the journal's folder.
    private func awaitUp(_ settings: StreamSettingsFile, _ group: String) throws -> StreamStart {
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            let info = try client.call("getProcessInfo", .text(group))
            let process = process(info, settings.stream, isStale: false)
            if process.state == .failed { return .failed(process.reason ?? process.word) }
            if let pid = process.pid, StreamFacts.read(settings.journal)?.process == pid { return .up }
            usleep(100_000)
        }
        return .slow
    }

    // MARK: Errors

    private func ask(_ method: String) throws(StreamsError) -> XMLRPCValue {
        do { return try client.call(method) } catch { throw Self.error(error) }
    }

    private func expecting(_ codes: [Int], _ body: () throws -> Void) throws {
        do { try body() } catch let fault as XMLRPC.Fault where codes.contains(fault.code) {}
    }

    private static func error(_ error: any Error) -> StreamsError {
        if let error = error as? StreamsError { return error }
        if let fault = error as? XMLRPC.Fault {
            return StreamsError(.wait, "supervisord rejects a call: \(oneLine(fault.text)) (fault \(fault.code))")
        }
        return StreamsError(.wait, "supervisord: \(error)")
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.trimmed }.joined(separator: " ").plain
    }
}
