import Core
import FoundationEssentials
import Glibc
import TestSupport

@testable import TweetProducer

/// The files of a host and a supervisor in memory, in whatever state.
final class StreamsWorld {
    /// Ends an apply in the middle, as a kill would.
    struct Killed: Error {}

    static let names = ["a", "b", "c", "d", "e"]

    let folder: String
    let files: StreamFiles
    let supervisor: FakeSupervisor

    /// - Throws: when its folder cannot be made; it is in memory where the machine has such a place.
    init() throws {
        let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"
        folder = parent + "/streams-test-" + UUID().uuidString
        for part in ["", "/streams", "/conf.d"] {
            guard unsafe mkdir(folder + part, 0o755) == 0 else { throw FileError("create folder", folder + part) }
        }
        let definitions = DerivedFiles(
            folder: folder + "/conf.d", prefix: "tweet-stream-", suffix: ".conf", group: nil, mode: 0o644)
        files = StreamFiles(folder: folder + "/streams", group: nil, definitions: definitions)
        supervisor = FakeSupervisor(settings: files.settings, definitions: definitions)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The settings of a stream in one of several versions, with one of several tokens.
    static func settings(_ name: String, version: Int, token: Int) -> StreamSettingsFile {
        let text = "streams: [{ name: \(name), token_file: /t\(token), settings: { kafka_topic: v\(version) } }]"
        return StreamSettingsFile(StreamsFile(path: "/s.yaml", text: text).streams[0], from: "/s.yaml")
    }

    /// The active streams of a random file; no two of them have the same token.
    static func desired(_ random: inout SplitMix64) -> [StreamSettingsFile] {
        zip(names, (1...5).shuffled(using: &random)).filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
            .map { settings($0, version: Int.random(in: 1...3, using: &random), token: $1) }
    }

    /// Leaves behind what kills, hands and crashes may have left: any files, any processes.
    func disturb(_ random: inout SplitMix64) throws {
        for (name, token) in zip(Self.names, (1...5).shuffled(using: &random)) {
            func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
            let old = Self.settings(name, version: Int.random(in: 1...3, using: &random), token: token)
            let definition = supervisor.definition(of: old) ?? ""
            if chance(60) {
                try files.settings.write(chance(15) ? old.text + "drain: '9s'\n" : old.text, for: name)
            }
            if chance(60) { try files.definitions?.write(chance(20) ? definition + "x=y\n" : definition, for: name) }
            if chance(20) { _ = try files.begin(name) }
            if chance(10) { try write("", to: "streams/\(name).yaml.new") }
            if chance(10) { try write("; \(StreamSettingsFile.mark)\n", to: "conf.d/tweet-stream-\(name).conf.new") }
            let (isLoaded, isRunning) = (chance(60), chance(80))
            let isElsewhere = chance(15)
            supervisor.state.withLock { state in
                if isElsewhere {
                    let process = isRunning ? FakeSupervisor.Running(hash: old.hash, token: old.token) : nil
                    state.former.updateValue(process, forKey: name)
                    return
                }
                guard isLoaded else { return }
                state.loaded[name] = definition
                if isRunning { state.running[name] = .init(hash: old.hash, token: old.token) }
            }
        }
        try write("foreign", to: "conf.d/other.conf")
        try write("kafka_topic: x\n", to: "streams/foreign.yaml")
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: folder + "/" + name))
    }

    /// One `streams apply`.
    ///
    /// - Parameters:
    ///   - desired: the active streams.
    ///   - declared: the names of the file's streams.
    ///   - steps: after how many steps it is killed; nil for never.
    /// - Returns: what became of each change; nil when it was killed.
    /// - Throws: what the application throws otherwise.
    func apply(
        _ desired: [StreamSettingsFile], declared: Set<String> = [], killedAfter steps: Int? = nil
    ) throws -> [StreamOutcome]? {
        var left = steps ?? .max
        let (here, before) = (SupervisorPlace(kind: "here"), SupervisorPlace(kind: "before"))
        let all = HostSupervisors(supervisor, at: here, folder: folder + "/streams") { [supervisor] in
            $0 == before ? FakeFormer(here: supervisor) : nil
        } found: { [supervisor] in
            supervisor.state.withLock { $0.former.isEmpty } ? nil : before
        }
        let application = StreamsApplication(files: files, supervisor: all) {
            left -= 1
            if left < 0 { throw Killed() }
        }
        do {
            let (plan, wanted) = try application.compare(desired)
            return try application.apply(plan, desired: wanted, declared: declared)
        } catch is Killed { return nil }
    }

    /// What differs from what it should be; empty when nothing does.
    func faults(_ desired: [StreamSettingsFile]) throws -> [String] {
        var wanted = ["conf.d/other.conf", "streams/foreign.yaml", "streams/.supervisors"]
        wanted += desired.flatMap { ["streams/\($0.stream).yaml", "conf.d/tweet-stream-\($0.stream).conf"] }
        let found = try ["streams", "conf.d"].flatMap { part in
            try JournalFolder.names(folder + "/" + part).map { "\(part)/\($0)" }
        }
        var faults: [String] = []
        if Set(found) != Set(wanted) { faults.append("files: \(Set(found).symmetricDifference(wanted).sorted())") }
        let (running, violations) = supervisor.state.withLock { ($0.running, $0.violations) }
        let hashes = Dictionary(uniqueKeysWithValues: desired.map { ($0.stream, $0.hash) })
        let former = supervisor.state.withLock { $0.former.keys.sorted() }
        if !former.isEmpty { faults.append("still elsewhere: \(former)") }
        if running.mapValues(\.hash) != hashes { faults.append("running: \(running), not \(hashes)") }
        for stream in desired where try files.settings.read(stream.stream) != stream.text {
            faults.append("settings of \(stream.stream)")
        }
        return faults + violations
    }
}
