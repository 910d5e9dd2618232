import Core
import Synchronization

/// A queue in files, which the next start of the service continues: `LOG_HTTP_SPOOL`.
///
/// An event is there once `append` has returned, whatever becomes of the process (not of the machine): it costs one write(2), and
/// nothing is synchronized. The events are lines of a few files, each named by the number of its first one. The oldest file is
/// deleted when all of them are larger than the limit. `sent` has the number through which events are settled.
final class SpoolQueue: LogQueue {
    /// One file of events.
    struct File: Equatable {
        /// The number of its first event.
        let first: Int64
        var events: Int64 = 0
        var bytes: Int64 = 0

        /// The number behind that of its last event.
        var end: Int64 { first + events }
    }

    private struct Writing: ~Copyable {
        /// In the order of their numbers.
        var files: [File]
        /// The number of the next event.
        var next: Int64
        /// The last file; nil until the first event, and after a failure.
        var file: JournalFile?
    }

    /// Where the next event is taken.
    private struct Place {
        var next: Int64
        /// The file, by the number of its first event, and the bytes of it that were taken.
        var file: Int64 = 0
        var offset: Int64 = 0
    }

    /// Files that the limit is divided among: the oldest one goes as a whole.
    private static let share = 4

    let folder: SpoolFolder
    private let writing: Mutex<Writing>
    private let place: Mutex<Place>
    private let fileLimit: Int64
    private let counts: ShippingCounts

    /// Opens the spool of a folder, which is created when it is missing, and takes its lock.
    ///
    /// - Parameters:
    ///   - path: the folder.
    ///   - limit: bytes of all files.
    ///   - counts: gets the drops.
    /// - Throws: `FileError`; with the code `EWOULDBLOCK` when another process has the spool.
    init(_ path: String, limit: Int, counts: ShippingCounts) throws(FileError) {
        let folder = try SpoolFolder(path)
        let files = try folder.files()
        let start = max(folder.sent + 1, files.first?.first ?? 1)
        var place = Place(next: start)
        if let file = files.first(where: { $0.end > start }) {
            place.file = file.first
            place.offset = try folder.offset(of: start, in: file)
        }
        // Numbers go on, also when files were deleted by hand.
        writing = Mutex(Writing(files: files, next: max(files.last?.end ?? start, start)))
        self.place = Mutex(place)
        (self.folder, self.counts, fileLimit) = (folder, counts, Int64(limit / Self.share))
    }

    var isDurable: Bool { true }

    var pending: (events: Int64, bytes: Int) {
        let place = place.withLock { $0 }
        return writing.withLock { writing in
            let waiting = writing.files.filter { $0.end > place.next }
            let taken = waiting.first.map { $0.first == place.file ? place.offset : 0 } ?? 0
            let first = max(place.next, waiting.first?.first ?? writing.next)
            return (writing.next - first, Int(waiting.reduce(0) { $0 + $1.bytes } - taken))
        }
    }

    /// How many events the next start would send.
    var unconfirmed: Int64 {
        let sent = folder.sent
        return writing.withLock { max(0, $0.next - max(sent + 1, $0.files.first?.first ?? $0.next)) }
    }

    // MARK: Threads that log

    func append(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        let isWritten = writing.withLock { writing in
            do throws(FileError) {
                try write(bytes, &writing)
                return true
            } catch {
                // The end of the file may be half an event: the next one begins a new file.
                writing.file = nil
                return false
            }
        }
        if !isWritten { counts.dropped[.disk].add() }
    }

    private func write(_ bytes: [UInt8], _ writing: inout Writing) throws(FileError) {
        if let last = writing.files.last, last.bytes + Int64(bytes.count) > fileLimit { writing.file = nil }
        if writing.file == nil { try begin(&writing) }
        try unsafe bytes.withBytes { (buffer) throws(FileError) in try unsafe writing.file?.append(buffer) }
        let last = writing.files.count - 1
        writing.files[last].bytes += Int64(bytes.count)
        writing.files[last].events += 1
        writing.next += 1
    }

    /// Begins a file, and deletes the oldest ones.
    private func begin(_ writing: inout Writing) throws(FileError) {
        let file = try JournalFile(appendingTo: folder.path(of: writing.next))
        // Half an event that a full disk has left.
        try file.truncate(to: 0)
        writing.file = consume file
        if writing.files.last?.first == writing.next { writing.files.removeLast() }
        writing.files.append(File(first: writing.next))
        while writing.files.count > Self.share { folder.remove(writing.files.removeFirst().first) }
    }

    // MARK: The thread that sends

    func take(bytes: Int, count: Int, newest: Bool) -> [ShippedEvent] {
        place.withLock { place in
            let files = writing.withLock { $0.files }
            skipDeleted(&place, files)
            guard let file = files.first(where: { $0.end > place.next }) else { return [] }
            if place.file != file.first { (place.file, place.offset) = (file.first, 0) }
            let lines = folder.lines(of: file, from: place.offset, atMost: bytes).prefix(count)
            let events = lines.enumerated().map {
                ShippedEvent(number: place.next + Int64($0), line: String(decoding: $1, as: UTF8.self))
            }
            place.offset += lines.reduce(0) { $0 + Int64($1.count) + 1 }
            place.next += Int64(events.count)
            return events
        }
    }

    /// Counts the events that were deleted before they were taken.
    private func skipDeleted(_ place: inout Place, _ files: [File]) {
        guard let first = files.first?.first, first > place.next else { return }
        counts.dropped[.queueFull].add(first - place.next)
        (place.next, place.file, place.offset) = (first, first, 0)
    }

    func confirm(through number: Int64) {
        if number > 0 { folder.note(sent: number) }
    }
}
