import FoundationEssentials

/// A small file with one value as a line of JSON, which is replaced as a whole and durably: after a crash it has the value
/// before or the new one, never a mixture.
///
/// Files that are written with every group of lines (`PostCounter`), whose content several processes change under a lock
/// (`ConnectBudget`), or that are the lock (`JournalLock`) are padded and written in place instead.
package struct StateFile<Value: Codable & Sendable>: Sendable {
    package let folder: String
    package let name: String
    private let point: FailPoint?

    /// - Parameters:
    ///   - name: of the file.
    ///   - folder: where it is.
    ///   - point: where a build for tests can be killed while the file is replaced.
    package init(_ name: String, in folder: String, at point: FailPoint? = nil) {
        (self.name, self.folder, self.point) = (name, folder, point)
    }

    package var path: String { folder + "/" + name }

    /// The value; nil when the file is not there.
    ///
    /// - Throws: `FileError` when it cannot be read; `isDamaged` when it holds something else.
    package func read() throws(FileError) -> Value? {
        let bytes: [UInt8]
        do throws(FileError) { bytes = try readWholeFile(path) } catch {
            if error.isMissingFile { return nil }
            throw error
        }
        guard let value = try? JSONDecoder().decode(Value.self, from: Data(bytes)) else {
            throw FileError(damaged: path)
        }
        return value
    }

    /// The value, for files on which only warnings or repairs depend: nil when it is missing, damaged or unreadable.
    package var value: Value? { (try? read()) ?? nil }

    /// Replaces the file.
    ///
    /// - Throws: `FileError` when the disk refuses.
    package func write(_ value: Value) throws(FileError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            preconditionFailure("the values of state files are made of strings and integers, which always encode")
        }
        try JournalFolder.replace(name, in: folder, with: String(decoding: data, as: UTF8.self) + "\n", at: point)
    }

    /// Removes the file; one that is not there is no error.
    ///
    /// - Throws: `FileError` when the disk refuses.
    package func remove() throws(FileError) { try JournalFolder.remove(path) }
}
