import Core

/// What runs the streams of a host.
protocol StreamSupervisor: Sendable {
    /// Whether it reports processes.
    var isSupervising: Bool { get }

    /// The text of the file that makes it run a stream; nil when the settings file is enough.
    ///
    /// - Parameter settings: of the stream.
    /// - Returns: the text, which changes whenever the stream must be restarted.
    func definition(of settings: StreamSettingsFile) -> String?

    /// Reads what it knows, and checks that it will be able to do what is asked for. Nothing is changed.
    ///
    /// - Parameter streams: those that are to run.
    /// - Returns: its processes of ours by the stream's name.
    /// - Throws: `StreamsError`: `wait` when it is unreachable, `operator(.settings)` when it cannot read its files.
    func look(for streams: [String]) throws(StreamsError) -> [String: StreamProcess]

    /// Reads what supervisors still have that had the streams of this host before. Nothing is changed.
    ///
    /// - Parameter streams: those that are looked at in any case.
    /// - Returns: by the stream's name.
    /// - Throws: `StreamsError`: `wait` when one of them does not answer.
    func left(of streams: [String]) throws(StreamsError) -> [String: FormerProcess]

    /// Notes that streams are about to be changed.
    ///
    /// - Throws: `StreamsError`: `operator(.disk)`.
    func begin() throws(StreamsError)

    /// Notes that no other supervisor has a stream any more.
    ///
    /// - Throws: `StreamsError`: `operator(.disk)`.
    func finish() throws(StreamsError)

    /// Prepares what a stream needs beside its files, such as folders.
    ///
    /// - Parameter settings: of the stream.
    /// - Throws: `StreamsError`: `operator(.disk)`.
    func prepare(_ settings: StreamSettingsFile) throws(StreamsError)

    /// Makes it read its files again; no process is started or stopped.
    ///
    /// - Throws: `StreamsError` as for `look`.
    func reload() throws(StreamsError)

    /// Ends a stream and lets it not be started again; one that does not run or is not known is no error.
    ///
    /// - Parameter stream: its name.
    /// - Throws: `StreamsError`: `wait`.
    func stop(_ stream: String) throws(StreamsError)

    /// Starts a stream that is stopped, and waits until its settings are accepted and its journal is open.
    ///
    /// - Parameter settings: of the stream, as its files say.
    /// - Returns: how that went.
    /// - Throws: `StreamsError`: `wait` when it does not answer, `operator(.settings)` when it does not read the stream's file.
    func start(_ settings: StreamSettingsFile) throws(StreamsError) -> StreamStart
}

/// One that had no other before it.
extension StreamSupervisor {
    func left(of streams: [String]) throws(StreamsError) -> [String: FormerProcess] { [:] }
    func begin() throws(StreamsError) {}
    func finish() throws(StreamsError) {}
}

/// How the start of a stream went.
enum StreamStart: Sendable, Equatable {
    case up
    /// It runs and has not opened its journal yet, as after a crash with a large journal.
    case slow
    /// It ended, and would end again.
    case failed(String)
}

/// No supervisor: settings files alone.
struct NoSupervisor: StreamSupervisor {
    var isSupervising: Bool { false }
    func definition(of settings: StreamSettingsFile) -> String? { nil }
    func look(for streams: [String]) -> [String: StreamProcess] { [:] }
    func prepare(_ settings: StreamSettingsFile) {}
    func reload() {}
    func stop(_ stream: String) {}
    func start(_ settings: StreamSettingsFile) -> StreamStart { .up }
}
