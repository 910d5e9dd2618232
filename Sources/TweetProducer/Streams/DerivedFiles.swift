import Core
import Glibc

/// Files of ours, one a stream, in a folder that others may use as well. A file counts as ours by its first line.
///
/// They are written aside and renamed, so that a reader finds the old or the new text. Names aside end in `.new`, which
/// supervisord does not include.
struct DerivedFiles: Sendable {
    let folder: String
    /// What stands before and behind the stream's name in the file's.
    let prefix: String
    let suffix: String
    /// The group that may read the files, beside their owner; nil for this process's.
    let group: gid_t?
    let mode: mode_t
    /// Whether every file counts as ours, because the suffix is ours alone.
    var ownsAll = false

    /// - Parameter stream: its name.
    /// - Returns: the path of its file.
    func path(_ stream: String) -> String { "\(folder)/\(prefix)\(stream)\(suffix)" }

    /// The file of a stream; nil when it does not exist.
    ///
    /// - Parameter stream: its name.
    /// - Returns: the text.
    /// - Throws: `StreamsError`: `operator(.settings)` for a file that is not ours; `operator(.disk)`.
    func read(_ stream: String) throws(StreamsError) -> String? {
        let text: String
        do throws(FileError) { text = try readTextFile(path(stream)) } catch {
            if error.isMissingFile { return nil }
            throw StreamsError(error)
        }
        guard isOurs(text) else {
            throw StreamsError(
                .operator(.settings),
                "\(path(stream)) was not made by `streams apply`, and stands where a file of stream '\(stream)' belongs;"
                    + " move it away or rename the stream")
        }
        return text
    }

    /// Every file of ours by the stream's name; others are left out.
    ///
    /// - Returns: the texts.
    /// - Throws: `StreamsError`: `operator(.disk)` when the folder or a file cannot be read.
    func all() throws(StreamsError) -> [String: String] {
        var found: [String: String] = [:]
        for name in try streams(behind: suffix) {
            guard let text = try? readTextFile(path(name)), isOurs(text) else { continue }
            found[name] = text
        }
        return found
    }

    /// Replaces the file of a stream.
    ///
    /// - Parameters:
    ///   - text: of the file.
    ///   - stream: its name.
    /// - Throws: `StreamsError` as for `read`.
    func write(_ text: String, for stream: String) throws(StreamsError) {
        guard try read(stream) != text else { return }
        do throws(FileError) {
            try DurableText.replace(path(stream), with: text, owner: nil, group: group, mode: mode)
        } catch { throw StreamsError(error) }
    }

    /// Removes the file of a stream; one that does not exist is no error.
    ///
    /// - Parameter stream: its name.
    /// - Throws: `StreamsError` as for `read`.
    func remove(_ stream: String) throws(StreamsError) {
        guard try read(stream) != nil else { return }
        do throws(FileError) {
            try JournalFolder.remove(path(stream))
            try JournalFolder.synchronize(folder)
        } catch { throw StreamsError(error) }
    }

    /// Removes what an earlier command has left when it was killed while it wrote.
    ///
    /// - Throws: `StreamsError`: `operator(.disk)`.
    func sweep() throws(StreamsError) {
        for name in try streams(behind: suffix + DurableText.aside) {
            let path = path(name) + DurableText.aside
            guard let text = try? readTextFile(path), text.isEmpty || isOurs(text) else { continue }
            do throws(FileError) { try JournalFolder.remove(path) } catch { throw StreamsError(error) }
        }
    }

    private func isOurs(_ text: String) -> Bool {
        guard !ownsAll else { return true }
        return text.prefix { $0 != "\n" }.contains(StreamSettingsFile.mark)
    }

    private func streams(behind suffix: String) throws(StreamsError) -> [String] {
        let names: [String]
        do throws(FileError) { names = try JournalFolder.names(folder) } catch {
            if error.isMissingFile { return [] }
            throw StreamsError(error)
        }
        return names.filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) && $0.count > prefix.count + suffix.count }
            .map { String($0.dropFirst(prefix.count).dropLast(suffix.count)) }.filter(StreamName.isValid).sorted()
    }
}

/// Replaces files that other programs read.
enum DurableText {
    /// Behind the name of a file that is being written.
    static let aside = ".new"

    /// Writes a file aside, makes it durable and gives it its name.
    ///
    /// - Parameters:
    ///   - path: of the file.
    ///   - text: of the file.
    ///   - owner: of the file; nil for this process's.
    ///   - group: of the file; nil for this process's.
    ///   - mode: of the file.
    /// - Throws: `FileError`; the file is as it was then.
    static func replace(
        _ path: String, with text: String, owner: uid_t?, group: gid_t?, mode: mode_t
    ) throws(FileError) {
        let new = path + aside
        try JournalFolder.remove(new)
        let file = try JournalFile(creating: new)
        try file.append(text: text)
        // (uid_t)-1 and (gid_t)-1 leave what is there (chown(2)).
        if owner != nil || group != nil, unsafe chown(new, owner ?? .max, group ?? .max) != 0 {
            throw FileError("chown", new)
        }
        guard unsafe chmod(new, mode) == 0 else { throw FileError("chmod", new) }
        try file.synchronize()
        try JournalFolder.move(new, to: path)
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        try JournalFolder.synchronize(folder.isEmpty ? "/" : folder)
    }
}
