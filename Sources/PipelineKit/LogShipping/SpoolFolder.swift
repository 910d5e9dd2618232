import Core
import Glibc
import Synchronization

/// The files of a spool, and the lock on them.
final class SpoolFolder: Sendable {
    /// The run that uses a spool; its file is there while it runs, and after a crash.
    struct Run: Codable, Sendable, Equatable {
        let pid: Int32
        let started: String
    }

    let path: String
    /// Held as long as this object lives.
    private let lock: JournalFile
    private let mark: Mutex<Mark>

    private struct Mark: ~Copyable {
        var sent: Int64
        var file: JournalFile?
    }

    /// Digits of a number in a file's name, and in `sent`.
    private static let digits = 19

    /// - Throws: `FileError`; with the code `EWOULDBLOCK` when another process has the folder.
    init(_ path: String) throws(FileError) {
        self.path = path
        try JournalFolder.create(path)
        let lock = try JournalFile(updating: path + "/lock")
        guard try lock.lockWithinASecond() else { throw FileError("lock", path, code: EWOULDBLOCK) }
        self.lock = lock
        let text = (try? readTextFile(path + "/sent"))?.trimmed ?? ""
        mark = Mutex(Mark(sent: Int64(text) ?? 0))
    }

    /// The run that has not ended yet, or that has crashed.
    var run: StateFile<Run> { StateFile("running", in: path) }

    // MARK: Settled events

    /// The number through which events are settled; 0 for none.
    var sent: Int64 { mark.withLock { $0.sent } }

    /// Records that events are settled; without a disk they are sent once more by the next start.
    func note(sent: Int64) {
        mark.withLock { mark in
            guard sent > mark.sent else { return }
            mark.sent = sent
            if mark.file == nil { mark.file = try? JournalFile(updating: path + "/sent") }
            let text = Array((Self.padded(sent) + "\n").utf8)
            try? unsafe text.withBytes { (bytes) throws(FileError) in try unsafe mark.file?.write(bytes, at: 0) }
        }
    }

    // MARK: Files of events

    /// The file of events that begins with a number.
    func path(of first: Int64) -> String { "\(path)/events-\(Self.padded(first)).log" }

    /// Deletes a file of events.
    func remove(_ first: Int64) { try? JournalFolder.remove(path(of: first)) }

    /// All files of events in their order; half an event at the end of one is cut off.
    func files() throws(FileError) -> [SpoolQueue.File] {
        let names = try JournalFolder.names(path).filter { $0.hasPrefix("events-") && $0.hasSuffix(".log") }
        var files: [SpoolQueue.File] = []
        for name in names.sorted() {
            guard let first = Int64(name.dropFirst(7).dropLast(4)) else { continue }
            let bytes = try readWholeFile(path + "/" + name)
            let end = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            if end < bytes.count { try JournalFile(updating: path + "/" + name).truncate(to: Int64(end)) }
            let events = bytes[..<end].count { $0 == UInt8(ascii: "\n") }
            if events == 0 {
                remove(first)
            } else {
                files.append(.init(first: first, events: Int64(events), bytes: Int64(end)))
            }
        }
        return files
    }

    /// Whole lines of a file.
    ///
    /// - Parameters:
    ///   - file: which one.
    ///   - offset: where the first line begins.
    ///   - limit: bytes that are read, at most, unless one line has more.
    /// - Returns: without their ends; none when the file was deleted or cannot be read.
    func lines(of file: SpoolQueue.File, from offset: Int64, atMost limit: Int) -> [ArraySlice<UInt8>] {
        let left = Int(file.bytes - offset)
        let size = min(limit, left)
        guard size > 0, let opened = try? JournalFile(reading: path(of: file.first)) else { return [] }
        var bytes = [UInt8](repeating: 0, count: size)
        let count = try? unsafe bytes.withMutableBytes { (buffer) throws(FileError) in
            try unsafe opened.read(at: offset, into: buffer)
        }
        guard let count, let end = bytes[..<count].lastIndex(of: UInt8(ascii: "\n")) else {
            return size < left ? lines(of: file, from: offset, atMost: left) : []
        }
        return bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    }

    /// Where an event of a file begins.
    func offset(of number: Int64, in file: SpoolQueue.File) throws(FileError) -> Int64 {
        var (left, offset) = (number - file.first, 0)
        let bytes = left > 0 ? try readWholeFile(path(of: file.first)) : []
        while left > 0, let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) {
            (left, offset) = (left - 1, end + 1)
        }
        return Int64(offset)
    }

    /// The last event of all; nil for none.
    var lastLine: String? {
        guard let file = (try? files())?.last else { return nil }
        return lines(of: file, from: 0, atMost: Int(file.bytes)).last.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func padded(_ number: Int64) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}
