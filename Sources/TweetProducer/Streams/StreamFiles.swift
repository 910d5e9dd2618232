import Core
import Glibc

/// What `streams apply` writes for the streams of a host, and the lock that keeps two commands apart.
///
/// A stream whose change is not confirmed yet has a file `NAME.pending` with the settings before: as long as it is there, the
/// process may have other settings than the file, and a failed start has something to return to. A stream that is being stopped
/// has a file `NAME.stop` with the reason, which its process journals at its end (`AppliedSettings`).
struct StreamFiles: Sendable {
    /// What `run --config` reads.
    let settings: DerivedFiles
    /// What the supervisor reads; nil when the settings are enough.
    let definitions: DerivedFiles?
    private let pending: DerivedFiles
    private let notes: DerivedFiles

    private static let lockName = ".lock"

    /// - Parameters:
    ///   - folder: of the settings files.
    ///   - group: that may read them.
    ///   - definitions: the supervisor's files.
    init(folder: String, group: gid_t?, definitions: DerivedFiles?) {
        settings = DerivedFiles(folder: folder, prefix: "", suffix: ".yaml", group: group, mode: 0o640)
        pending = DerivedFiles(
            folder: folder, prefix: "", suffix: ".pending", group: nil, mode: 0o600, ownsAll: true)
        notes = DerivedFiles(
            folder: folder, prefix: "", suffix: StreamEndNote.suffix, group: group, mode: 0o640, ownsAll: true)
        self.definitions = definitions
    }

    /// Takes the lock of this host's streams; it ends with the returned value.
    ///
    /// - Parameter patience: how long another command may hold it.
    /// - Returns: the lock.
    /// - Throws: `StreamsError`: `retry` when another command holds it, `operator(.disk)`.
    func lock(atMost patience: Duration = .seconds(30)) throws(StreamsError) -> StreamsLock {
        do throws(FileError) {
            try FilePath.create(settings.folder, owner: nil, mode: 0o755)
            let file = try JournalFile(updating: settings.folder + "/" + Self.lockName)
            try file.waitForLock(atMost: patience)
            return StreamsLock(file)
        } catch {
            guard error.code == EWOULDBLOCK else { throw StreamsError(error) }
            throw StreamsError(.retry, "another `tweet-producer streams` changes the streams of \(settings.folder)")
        }
    }

    /// What is on the disk for each stream.
    ///
    /// - Parameter names: the streams that are looked at in any case, so that a foreign file in the place of one of theirs is an
    ///   error.
    /// - Returns: by the stream's name, for every stream that has a file.
    /// - Throws: `StreamsError` as for `DerivedFiles`.
    func look(at names: [String]) throws(StreamsError) -> [String: ActualStream] {
        var found: [String: ActualStream] = [:]
        for name in names {
            _ = try settings.read(name)
            _ = try definitions?.read(name)
        }
        for (name, text) in try settings.all() { found[name, default: ActualStream()].settings = text }
        for (name, text) in try definitions?.all() ?? [:] { found[name, default: ActualStream()].definition = text }
        for (name, text) in try pending.all() { found[name, default: ActualStream()].pending = text }
        return found
    }

    /// Notes that a stream is about to be changed.
    ///
    /// - Parameter stream: its name.
    /// - Returns: the settings that it had when it was last known to run; nil for none.
    /// - Throws: `StreamsError`.
    func begin(_ stream: String) throws(StreamsError) -> StreamSettingsFile? {
        if let text = try pending.read(stream) { return StreamSettingsFile(text: text) }
        let before = try settings.read(stream).flatMap { StreamSettingsFile(text: $0) }
        let old = before?.isIntact == true ? before : nil
        try pending.write(old?.text ?? "", for: stream)
        return old
    }

    /// Notes why the process of a stream is about to be ended.
    ///
    /// - Parameters:
    ///   - reason: why.
    ///   - stream: its name.
    /// - Throws: `StreamsError`.
    func note(_ reason: StreamEndNote, for stream: String) throws(StreamsError) {
        try notes.write(reason.rawValue + "\n", for: stream)
    }

    /// What the settings file of a stream says to its journal; nil when the stream has none of ours.
    ///
    /// - Parameter stream: its name.
    /// - Returns: what journals it.
    func applied(_ stream: String) -> AppliedSettings? {
        AppliedSettings(path: "\(settings.folder)/\(stream)\(StreamEndNote.settingsSuffix)")
    }

    /// Notes that a stream runs as its files say, or has none.
    ///
    /// - Parameter stream: its name.
    /// - Throws: `StreamsError`.
    func finish(_ stream: String) throws(StreamsError) {
        try notes.remove(stream)
        try pending.remove(stream)
    }

    /// Lists the addresses of the streams for Prometheus, as their settings files have them.
    ///
    /// - Throws: `StreamsError`.
    func writeTargets() throws(StreamsError) {
        let streams = try settings.all().values.compactMap { StreamSettingsFile(text: $0) }
        do throws(FileError) { try PrometheusTargets(folder: settings.folder).write(streams) } catch {
            throw StreamsError(error)
        }
    }

    /// Removes what a killed command has left: files that it wrote, and notes, which may no longer be true.
    ///
    /// - Throws: `StreamsError`.
    func sweep() throws(StreamsError) {
        for stream in try notes.all().keys { try notes.remove(stream) }
        try notes.sweep()
        try settings.sweep()
        try pending.sweep()
        try definitions?.sweep()
    }

    /// Checks that nobody but root can put files where root's supervisor reads them.
    ///
    /// - Throws: `StreamsError`: `operator(.settings)` when another user owns a folder or may write into it.
    func requireSafeFolders() throws(StreamsError) {
        guard geteuid() == 0 else { return }
        for folder in [settings.folder, definitions?.folder].compactMap({ $0 }) {
            let status: (owner: uid_t, group: gid_t, mode: mode_t)?
            do throws(FileError) { status = try FilePath.status(folder) } catch { throw StreamsError(error) }
            guard let status, status.owner != 0 || status.mode & 0o022 != 0 else { continue }
            throw StreamsError(
                .operator(.settings),
                "\(folder): users other than root may write into it, and so choose what root starts;"
                    + " chown root:root, chmod go-w")
        }
    }
}

/// The lock of a host's streams.
struct StreamsLock: ~Copyable {
    private let file: JournalFile

    fileprivate init(_ file: consuming JournalFile) { self.file = file }
}
