import Core
import Synchronization

@testable import TweetProducer

/// A supervisor as a table in memory, which reads the files that are really there, as supervisord does.
final class FakeSupervisor: StreamSupervisor {
    /// A running process.
    struct Running: Equatable {
        var hash: String
        var token: [String?]
    }

    struct State {
        /// What runs, by the stream's name.
        var running: [String: Running] = [:]
        /// Definitions by which processes were started last.
        var loaded: [String: String] = [:]
        /// What another supervisor still has, by the stream's name; nil when that is a file without a process.
        var former: [String: Running?] = [:]
        /// Settings that do not start, by their hash.
        var failing: Set<String> = []
        /// Two processes with one token, and whatever else must never be.
        var violations: [String] = []
        /// How many processes were started.
        var starts = 0
        /// Why processes were ended for good, as they could read it then.
        var ends: [String] = []
    }

    let state = Mutex(State())
    private let definitions: DerivedFiles
    private let settings: DerivedFiles

    init(settings: DerivedFiles, definitions: DerivedFiles) {
        (self.settings, self.definitions) = (settings, definitions)
    }

    var isSupervising: Bool { true }

    func definition(of settings: StreamSettingsFile) -> String? {
        "; \(StreamSettingsFile.mark)\nsettings=\(settings.hash)\n"
    }

    func look(for streams: [String]) throws(StreamsError) -> [String: StreamProcess] {
        let files = try definitions.all()
        return state.withLock { state in
            var found: [String: StreamProcess] = [:]
            for (name, text) in state.loaded {
                let isUp = state.running[name] != nil
                found[name] = StreamProcess(
                    state: isUp ? .running : .failed, word: isUp ? "RUNNING" : "FATAL", isStale: files[name] != text)
            }
            return found
        }
    }

    func prepare(_ settings: StreamSettingsFile) {}
    func reload() {}

    func stop(_ stream: String) {
        let note = try? readTextFile("\(settings.folder)/\(stream).stop")
        state.withLock { state in
            if state.running[stream] != nil, let note { state.ends.append("\(stream) \(note.trimmed)") }
            (state.running[stream], state.loaded[stream]) = (nil, nil)
        }
    }

    func start(_ stream: StreamSettingsFile) throws(StreamsError) -> StreamStart {
        let name = stream.stream
        let (definition, file) = (try definitions.read(name), try settings.read(name))
        return state.withLock { state in
            guard let definition, let file = file.flatMap({ StreamSettingsFile(text: $0) }) else {
                state.violations.append("\(name) is started without its files")
                return .failed("no file")
            }
            if state.running[name] != nil { state.violations.append("\(name) is started twice") }
            if state.former[name] != nil { state.violations.append("\(name) is still elsewhere") }
            let elsewhere = state.former.compactMapValues(\.self)
            for (other, process) in [state.running, elsewhere].joined() where process.token == file.token {
                state.violations.append("\(name) and \(other) use one token")
            }
            state.loaded[name] = definition
            if state.failing.contains(file.hash) { return .failed("exit status 78") }
            state.starts += 1
            state.running[name] = Running(hash: file.hash, token: file.token)
            return .up
        }
    }
}

/// The supervisor that had the streams before.
struct FakeFormer: FormerSupervisor {
    let here: FakeSupervisor

    var kind: SupervisorKind { .supervisord }

    func left(of streams: [String]) -> [String: StreamProcess?] {
        here.state.withLock { state in
            state.former.mapValues { running in running.map { _ in StreamProcess(state: .running, word: "RUNNING") } }
        }
    }

    func stop(_ stream: String) { here.state.withLock { $0.former[stream] = nil } }
}
