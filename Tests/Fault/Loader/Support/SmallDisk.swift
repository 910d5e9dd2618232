import Core
import Glibc
import TestSupport

/// A file system in memory of a fixed size, unmounted with this object. Mounting needs root.
final class SmallDisk {
    let path: String
    private let folder: TemporaryFolder
    private let bytes: UInt64
    private let owner: String

    /// Mounts it for a user; throws `Failure` (unavailable) when that is not possible.
    init(mebibytes: UInt64, user: String) throws {
        folder = try TemporaryFolder()
        path = folder.path
        bytes = mebibytes << 20
        guard let entry = unsafe getpwnam(user) else { throw Failure(.unavailable, "there is no user \(user)") }
        owner = unsafe "uid=\(entry.pointee.pw_uid),gid=\(entry.pointee.pw_gid),mode=0700"
        let result = unsafe mount("tmpfs", path, "tmpfs", 0, "size=\(bytes),\(owner)")
        guard result == 0 else { throw Failure(.unavailable, "\(FileError("mount", path))") }
    }

    deinit {
        _ = unsafe umount2(path, Int32(MNT_DETACH))
    }

    /// Leaves no room.
    func fill() {
        var status = statvfs()
        guard unsafe statvfs(path, &status) == 0 else { return }
        resize(UInt64(status.f_blocks - status.f_bfree) * UInt64(status.f_frsize) + 65_536)
    }

    /// Gives the room back.
    func empty() {
        resize(bytes)
    }

    private func resize(_ size: UInt64) {
        _ = unsafe mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT), "size=\(size),\(owner)")
    }
}
