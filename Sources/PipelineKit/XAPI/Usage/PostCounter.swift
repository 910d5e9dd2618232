import Core
import FoundationEssentials
import Glibc
import Synchronization

/// How many posts were received on each UTC day, kept in a file of the journal's folder. Thread-safe.
///
/// `save()` writes without fsync: the count survives any end of the process; a crash of the machine may lose its last seconds.
/// The file is written in place, because it is written with every group of lines: a new file each time (`StateFile`) would cost
/// two fsyncs.
package final class PostCounter: Sendable {
    private struct State {
        /// Posts by days since 1970.
        var days: [Int64: Int64]
        /// What X charges for other things than posts, in posts, by the same days.
        var others: [Int64: Int64]
        var isSaved = true
    }

    private let state: Mutex<State>
    /// Held while the file is written: who counts does not wait for that.
    private let saving = Mutex(())
    private let file: Int32
    private let path: String

    private static let fileName = "posts.json"
    /// Two billing cycles and a little.
    private static let daysKept = 64
    /// The file always has this size, so that one write replaces all of it.
    private static let fileBytes = 4096
    /// Before the day of what is no post; a version that does not know it passes it over.
    private static let otherMark = "x"

    /// Goes on from the file; a damaged one counts as empty.
    ///
    /// - Throws: `FileError` when the file cannot be opened or created.
    package init(folder: String) throws(FileError) {
        path = folder + "/" + Self.fileName
        file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard file >= 0 else { throw FileError("open", path) }
        state = Mutex(
            State(days: Self.stored(in: folder), others: Self.stored(in: folder, behind: Self.otherMark)))
    }

    /// Posts by days since 1970 as the file has them, for programs that only look; nothing without a file.
    package static func stored(in folder: String) -> [Int64: Int64] { stored(in: folder, behind: "") }

    private static func stored(in folder: String, behind mark: String) -> [Int64: Int64] {
        let bytes = (try? readWholeFile(folder + "/" + fileName)) ?? []
        let stored = (try? JSONDecoder().decode([String: Int64].self, from: Data(bytes))) ?? [:]
        return stored.reduce(into: [:]) { days, entry in
            guard entry.key.hasPrefix(mark) else { return }
            if let day = Int64(entry.key.dropFirst(mark.count)), entry.value > 0 { days[day] = entry.value }
        }
    }

    deinit {
        close(file)
    }

    /// Counts posts received at a moment.
    package func add(_ count: Int = 1, at moment: Timestamp) {
        state.withLock { state in
            state.days[moment.day, default: 0] += Int64(count)
            state.isSaved = false
        }
    }

    /// Counts what X charges for something else, such as the accounts that an account follows.
    ///
    /// - Parameters:
    ///   - posts: how many posts cost as much.
    ///   - moment: when X was asked.
    package func charge(_ posts: Int64, at moment: Timestamp) {
        state.withLock { state in
            state.others[moment.day, default: 0] += posts
            state.isSaved = false
        }
    }

    /// Posts from a day (days since 1970) on.
    package func posts(since day: Int64) -> Int64 { state.withLock { Self.sum($0.days, since: day) } }

    /// Posts from a day (days since 1970) on, and what else X charged, in posts: what limits apply to.
    ///
    /// - Parameter day: the first.
    /// - Returns: posts.
    package func charged(since day: Int64) -> Int64 {
        state.withLock { Self.sum($0.days, since: day) + Self.sum($0.others, since: day) }
    }

    private static func sum(_ days: [Int64: Int64], since day: Int64) -> Int64 {
        days.reduce(0) { $1.key >= day ? $0 + $1.value : $0 }
    }

    /// Writes what was counted since the last time.
    ///
    /// - Throws: `FileError` when the disk refuses.
    package func save() throws(FileError) {
        try saving.withLock { (_) throws(FileError) in try write() }
    }

    private func write() throws(FileError) {
        let unsaved = state.withLock { state -> (days: [Int64: Int64], others: [Int64: Int64])? in
            guard !state.isSaved else { return nil }
            if state.days.count > Self.daysKept, let oldest = state.days.keys.min() { state.days[oldest] = nil }
            if state.others.count > Self.daysKept, let oldest = state.others.keys.min() { state.others[oldest] = nil }
            state.isSaved = true
            return (state.days, state.others)
        }
        guard let unsaved else { return }
        let members = Self.members(unsaved.days, behind: "") + Self.members(unsaved.others, behind: Self.otherMark)
        var bytes = Array("{\(members.joined(separator: ","))}\n".utf8)
        bytes += repeatElement(UInt8(ascii: " "), count: max(0, Self.fileBytes - bytes.count))
        let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) }
        guard written == bytes.count else {
            let error = FileError("write", path)
            state.withLock { $0.isSaved = false }
            throw error
        }
    }
}

extension PostCounter {
    private static func members(_ days: [Int64: Int64], behind mark: String) -> [String] {
        days.sorted { $0.key < $1.key }.map { "\"\(mark)\($0.key)\":\($0.value)" }
    }
}

extension Timestamp {
    /// Days since 1970, UTC.
    package var day: Int64 { Int64((Double(milliseconds) / 86_400_000).rounded(.down)) }
}
