import Core
import Glibc
import Synchronization

/// How much room a journal has: a quota of its own, and a reserve that keeps the last words possible.
///
/// Lines may fill all but the reserve. On a full disk the reserve's file is deleted, so that the event can still be
/// journalled and the checkpoint written; reading continues when there is room for twice the reserve.
package final class JournalSpace: Sendable {
    /// Bytes that the stream's folder may take, archive included; nil for no limit.
    package let quota: Int64?
    /// Bytes that lines may not use.
    let reserve: Int64

    private let folder: String
    private let used: Atomic<Int64>

    static let reserveName = "reserve"

    init(folder: String, quota: Int64?, reserve: Int64) throws(FileError) {
        self.folder = folder
        self.quota = quota
        self.reserve = reserve
        used = Atomic(quota == nil ? 0 : try Self.bytes(in: folder))
    }

    /// Bytes of all files of a stream's folder but the reserve, archive included.
    static func bytes(in folder: String) throws(FileError) -> Int64 {
        var total: Int64 = 0
        for name in try JournalFolder.names(folder) where name != reserveName && name != JournalSource.archiveName {
            total += try JournalFolder.size(folder + "/" + name) ?? 0
        }
        let archive = folder + "/" + JournalSource.archiveName
        guard try JournalFolder.size(archive) != nil else { return total }
        for name in try JournalFolder.names(archive) { total += try JournalFolder.size(archive + "/" + name) ?? 0 }
        return total
    }

    /// Takes note of bytes that came or, when negative, went.
    package func add(_ bytes: Int64) {
        used.add(bytes, ordering: .relaxed)
    }

    /// Whether the quota lets this many more bytes of lines in.
    func canTake(_ bytes: Int64) -> Bool {
        guard let quota else { return true }
        return used.load(ordering: .relaxed) + bytes <= quota - reserve
    }

    /// Whether there is room enough to read on after there was none: twice the reserve, in the quota and on the disk.
    package var hasRoom: Bool {
        if let quota, used.load(ordering: .relaxed) > quota - 2 * reserve { return false }
        guard reserve > 0, let free = freeBytes else { return true }
        let held = (try? JournalFolder.size(reservePath)) ?? nil
        return free + (held ?? 0) >= 2 * reserve
    }

    private var reservePath: String { folder + "/" + Self.reserveName }

    /// Bytes that this process may still write to the disk; nil when the system does not say.
    private var freeBytes: Int64? {
        var info = statvfs()
        guard unsafe statvfs(folder, &info) == 0 else { return nil }
        return Int64(clamping: info.f_bavail) * Int64(clamping: info.f_frsize)
    }

    /// Whether the reserve's file holds its place on the disk.
    var holdsReserve: Bool {
        let size = (try? JournalFolder.size(reservePath)) ?? nil
        return size == reserve
    }

    /// Allocates the reserve on the disk; after a failure it is tried again when reading continues.
    package func holdReserve() {
        guard reserve > 0, !holdsReserve else { return }
        let descriptor = unsafe open(reservePath, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        if posix_fallocate(descriptor, 0, Int(reserve)) != 0 { releaseReserve() }
    }

    /// Gives the reserve's place on the disk to what must still be written.
    func releaseReserve() {
        _ = unsafe unlink(reservePath)
    }
}

/// What to do when the journal has no room left.
package enum JournalFullPolicy: String, CaseIterable, Sendable {
    /// Read X no more until there is room again; what X sends meanwhile is a declared gap.
    case stop
    /// Remove what is archived first, then what is acknowledged, and as the last resort the oldest lines that Kafka has
    /// not got, which is declared by their numbers.
    case dropOldest = "drop-oldest"
}
