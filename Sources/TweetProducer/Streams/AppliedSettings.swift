import Core
import Journal
import TweetFormat

/// Why `streams apply` ends the process of a stream for good: a file beside the stream's settings, for as long as that takes.
enum StreamEndNote: String, Sendable {
    /// It stays in the file, and is not active.
    case stopped
    /// The file does not have it.
    case removed

    /// Of the file's name, in the place of `settingsSuffix`.
    static let suffix = ".stop"
    /// Of the settings file's name.
    static let settingsSuffix = ".yaml"
}

/// What `streams apply` has done to a stream, as its journal has it.
///
/// The process itself journals it, because it owns the journal: at its start it compares the settings file that it was given
/// with the one that the journal knows; at its end it reads `apply`'s note. `apply` does what no process has done, for a stream
/// that did not run when it was ended. An ordinary restart journals nothing.
struct AppliedSettings: Sendable {
    /// What the journal knows, in the stream's folder.
    private struct Recorded: Codable, Sendable {
        let hash: String
        /// Digests of the values by the setting's key, without secrets.
        let settings: [String: String]
    }

    private let file: StreamSettingsFile
    private let note: String

    /// Nil for a settings file that `streams apply` has not made.
    ///
    /// - Parameter path: of the settings file; nil for none.
    init?(path: String?) {
        guard let path, path.hasSuffix(StreamEndNote.settingsSuffix), let text = try? readTextFile(path),
            let file = StreamSettingsFile(text: text)
        else { return nil }
        self.file = file
        note = path.dropLast(StreamEndNote.settingsSuffix.count) + StreamEndNote.suffix
    }

    private static func state(_ folder: String) -> StateFile<Recorded> { StateFile("applied.json", in: folder) }

    /// Journals that `apply` has started the stream, or changed its settings.
    ///
    /// A kill between the event and the note of it makes the event twice.
    ///
    /// - Parameter journal: of the stream.
    /// - Throws: `FileError` when the journal cannot be written.
    func recordStart(in journal: Journal) throws(FileError) {
        let state = Self.state(journal.source.folder)
        let before = state.value
        guard before?.hash != file.hash else { return }
        let now = Recorded(hash: file.hash, settings: digests)
        var event = PipelineEvent(.applied, cause: before == nil ? "started" : "changed")
        (event.settingsBefore, event.settingsAfter) = (before?.hash, file.hash)
        if let before { event.detail = Self.differences(before.settings, now.settings) }
        try append(event, to: journal)
        // Without the file the next start journals the same again.
        try? state.write(now)
    }

    /// Journals that `apply` is stopping the stream for good, when that is why the process ends.
    ///
    /// - Parameter journal: of the stream.
    /// - Throws: `FileError` when the journal cannot be written.
    func recordEnd(in journal: Journal) throws(FileError) {
        guard let reason = (try? readTextFile(note)).flatMap({ StreamEndNote(rawValue: $0.trimmed) }) else { return }
        let state = Self.state(journal.source.folder)
        try append(end(reason, state), to: journal)
        try? state.remove()
    }

    /// Journals for `apply` that it has stopped the stream for good, unless the process has: it did not run, or was killed.
    ///
    /// A process that is still at work, as without a supervisor, is asked to do so. Nothing is journalled of a stream that has
    /// never started. A kill behind the event makes the event twice.
    ///
    /// - Parameter reason: why.
    /// - Throws: `JournalError` or `FileError` when the journal cannot be written.
    func recordEnd(as reason: StreamEndNote) throws {
        let state = Self.state(file.journal)
        guard let folder = file.value(JournalSettings.folder), try FilePath.status(state.path) != nil else { return }
        _ = try OperatorEvent(folder: folder, stream: file.stream, event: end(reason, state)).add()
        try? state.remove()
    }

    private func end(_ reason: StreamEndNote, _ state: StateFile<Recorded>) -> PipelineEvent {
        var event = PipelineEvent(.applied, cause: reason.rawValue)
        event.settingsBefore = state.value?.hash ?? file.hash
        return event
    }

    private func append(_ event: PipelineEvent, to journal: Journal) throws(FileError) {
        try journal.append(event)
        try journal.sync()
    }

    private var digests: [String: String] {
        let secrets = Set(ProducerSettings.known.filter(\.isSecret).map(\.fileKey))
        let open = file.entries.filter { !secrets.contains($0.key) }
        return Dictionary(open.map { ($0.key, String(hexDigest(of: $0.value).prefix(16))) }) { $1 }
    }

    private static func differences(_ before: [String: String], _ after: [String: String]) -> String? {
        let keys = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }.sorted()
        return keys.isEmpty ? nil : keys.joined(separator: ", ")
    }
}
