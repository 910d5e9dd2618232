import Core
import Foundation
import Sandbox
import Synchronization
import TestSupport
import Testing
import TweetFormat

@testable import TweetProducer

/// A host with folders of its own, Debian's supervisord, and `tweet-producer streams`; both end with it.
final class StreamsHost: Sendable {
    let folder: TemporaryFolder
    private let supervisord = Mutex<ChildProcess?>(nil)
    /// Settings of every stream: X and Kafka are unreachable, which is no reason not to run.
    static let unreachable =
        "x_url: 'http://127.0.0.1:1', kafka_bootstrap_servers: '127.0.0.1:1', drain: 100ms, listen: 'off'"

    init() throws {
        folder = try TemporaryFolder()
        for part in ["conf.d", "tokens", "lock"] { try JournalFolder.create(folder.path + "/" + part) }
        for token in ["a", "b", "c", "d", "e"] { try folder.write("token-\(token)\n", to: "tokens/\(token)") }
        try folder.write(
            """
            [unix_http_server]
            file=\(socket)
            chmod=0700
            [supervisord]
            nodaemon=true
            logfile=\(folder.path)/supervisord.log
            pidfile=\(folder.path)/supervisord.pid
            childlogdir=\(folder.path)
            [rpcinterface:supervisor]
            supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
            [include]
            files = \(folder.path)/conf.d/*.conf

            """, to: "supervisord.conf")
    }

    deinit { stopSupervisord() }

    private var socket: String { folder.path + "/supervisor.sock" }
    var file: String { folder.path + "/streams.yaml" }
    /// What `streams apply` may leave, apart from its lock and its record of supervisors, beside the files of others.
    var derived: [String] {
        let names = ["streams", "conf.d"].flatMap { part in
            ((try? JournalFolder.names(folder.path + "/" + part)) ?? []).map { "\(part)/\($0)" }
        }
        return names.filter { !["streams/.lock", "streams/.supervisors"].contains($0) && Self.foreign[$0] == nil }
            .sorted()
    }

    // MARK: supervisord

    func startSupervisord() throws {
        let command = ChildCommand("/usr/bin/supervisord", ["-c", folder.path + "/supervisord.conf"])
        let process = try ChildProcess(command)
        supervisord.withLock { $0 = process }
        // The socket's name is there before anybody listens; the file is written behind both.
        let files = [socket, folder.path + "/supervisord.pid"]
        #expect(eventually { files.allSatisfy { FileManager.default.fileExists(atPath: $0) } })
    }

    /// supervisord ends its programs before itself.
    func stopSupervisord() {
        supervisord.withLock { $0.take() }?.terminate(grace: .seconds(60))
    }

    /// Ends the process of a stream as an administrator does: supervisord still knows its program.
    func stopProcess(of stream: String) throws {
        _ = try SupervisordClient(socket: socket).call("stopProcess", .text("tweet-stream-\(stream)"), .flag(true))
    }

    var supervisordLog: String { (try? readTextFile(folder.path + "/supervisord.log")) ?? "" }
    /// How often a stream's program was started.
    func starts(_ stream: String) -> Int { starts(ofProgram: "tweet-stream-" + stream) }

    /// How often a program was started.
    func starts(ofProgram name: String) -> Int {
        supervisordLog.split(separator: "\n").count { $0.contains("spawned: '\(name)'") }
    }

    // MARK: Foreign files

    /// Files of others in the folders of ours; supervisord runs a program of one of them.
    private static let foreign = [
        "conf.d/others.conf": "[program:others]\ncommand=/bin/sleep 3600\nstartsecs=0\n",
        "streams/others.yaml": "kafka_topic: x\n", "streams/others.txt": "notes\n",
    ]

    func writeForeignFiles() throws {
        try JournalFolder.create(folder.path + "/streams")
        for (name, text) in Self.foreign { try folder.write(text, to: name) }
    }

    /// What differs when one of them is touched.
    func foreignFiles() throws -> [String] {
        try Self.foreign.keys.sorted().map { name in
            let path = folder.path + "/" + name
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            let parts = [.systemFileNumber, .modificationDate, .posixPermissions].map { attributes[$0].map { "\($0)" } }
            return "\(name) \(parts) \(try readTextFile(path))"
        }
    }

    // MARK: The file and the command

    /// A stream as it stands in the file.
    static func stream(_ name: String, token: String, _ more: String...) -> String {
        (["- name: \(name)", "  token_file: tokens/\(token)"] + more.map { "  \($0)" }).map { "  \($0)\n" }.joined()
    }

    /// Writes the file: the settings that all have, and the streams.
    func declare(_ streams: String..., defaults: String = unreachable) throws {
        let common = "journal_dir: journal, x_lock_dir: lock"
        let list = streams.joined(separator: "  # another\n")
        try folder.write("# ours\ndefaults: { \(common), \(defaults) }\nstreams:\n\(list)", to: "streams.yaml")
    }

    /// Runs a subcommand of `streams` to its end.
    func streams(_ arguments: String..., settings: [String: String] = [:]) throws -> ProducerCommand {
        try streams(arguments, settings: settings)
    }

    /// The same with the words in a list.
    func streams(_ arguments: [String], settings: [String: String]) throws -> ProducerCommand {
        let usual = [
            "STREAMS_FILE": file, "STREAMS_DIR": folder.path + "/streams", "SUPERVISOR": "supervisord",
            "SUPERVISOR_SOCKET": socket, "SUPERVISOR_CONF_DIR": folder.path + "/conf.d",
            "SUPERVISOR_LOG_DIR": folder.path + "/log", "SUPERVISOR_USER": NSUserName(), "PATH": "/usr/bin:/bin",
        ]
        return try ProducerCommand(["streams"] + arguments, usual.merging(settings) { $1 })
    }

    /// Applies the file, which must succeed.
    @discardableResult
    func apply(at location: SourceLocation = #_sourceLocation) throws -> String {
        let command = try streams("apply", "--yes")
        #expect(command.status == 0, "\(command.output)\(command.errors)\(supervisordLog)", sourceLocation: location)
        return command.output
    }

    // MARK: Processes

    /// The process of each stream of this host that runs, as /proc shows it.
    var processes: [String: [Int32]] {
        var found: [String: [Int32]] = [:]
        let folder = folder.path + "/streams/"
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = Int32(entry), let bytes = try? readWholeFile("/proc/\(pid)/cmdline") else { continue }
            let words = String(decoding: bytes, as: UTF8.self).split(separator: "\0")
            guard words.count > 3, words[1] == "run", let path = words.last, path.hasPrefix(folder) else { continue }
            found[String(path.dropFirst(folder.count).dropLast(".yaml".count)), default: []].append(pid)
        }
        return found
    }

    /// Whether a process of another program has the lock's file open.
    var waitsForLock: Bool {
        let (files, path) = (FileManager.default, folder.path + "/streams/.lock")
        return ((try? files.contentsOfDirectory(atPath: "/proc")) ?? []).contains { entry in
            guard let pid = Int32(entry), pid != getpid() else { return false }
            return ((try? files.contentsOfDirectory(atPath: "/proc/\(pid)/fd")) ?? []).contains {
                (try? files.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\($0)")) == path
            }
        }
    }

    /// What `streams apply` did to a stream, as its journal has it.
    func applied(_ stream: String) throws -> [String] {
        let folder = folder.path + "/journal/" + stream
        let files = try JournalFolder.names(folder).filter { $0.hasSuffix(".jsonl") }.sorted()
        let lines = try files.flatMap { try readTextFile("\(folder)/\($0)").split(separator: "\n") }
        return lines.compactMap { PipelineEvent(line: Array($0.utf8)) }.filter { $0.type == .applied }.map {
            [$0.cause, $0.detail].compactMap(\.self).joined(separator: " ")
        }
    }

    /// The rows of `streams status --json` by the stream's name.
    func status() throws -> [String: JSONValue] {
        let output = try streams("status", "--json").output
        let rows = try JSONDecoder().decode(JSONValue.self, from: Data(output.utf8))["streams"]?.elements ?? []
        return Dictionary(uniqueKeysWithValues: rows.map { ($0["stream"]?.text ?? "", $0) })
    }
}
