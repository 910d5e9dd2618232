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
            for (other, process) in state.running where process.token == file.token {
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
