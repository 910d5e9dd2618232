internal import Core
import Glibc

/// A file system in memory of a fixed size, unmounted with this object. Mounting needs root.
package final class SmallDisk {
    /// Where it is mounted.
    package let path: String
    private let folder: TemporaryFolder
    private let bytes: UInt64
    private let owner: String

    /// Mounts it.
    ///
    /// - Parameters:
    ///   - mebibytes: its size.
    ///   - user: its owner; whoever runs the test when nil.
    /// - Throws: `Failure` (unavailable) when it cannot be mounted, or there is no such user.
    package init(mebibytes: UInt64, user: String? = nil) throws {
        folder = try TemporaryFolder()
        path = folder.path
        bytes = mebibytes << 20
        owner = try user.map { try Self.owner($0) } ?? ""
        let result = unsafe mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)\(owner)")
        guard result == 0 else { throw Failure(.unavailable, "\(FileError("mount", path))") }
    }

    private static func owner(_ user: String) throws -> String {
        guard let entry = unsafe getpwnam(user) else { throw Failure(.unavailable, "there is no user \(user)") }
        return unsafe ",uid=\(entry.pointee.pw_uid),gid=\(entry.pointee.pw_gid),mode=0700"
    }

    deinit {
        _ = unsafe umount2(path, Int32(MNT_DETACH))
    }

    /// Leaves no room.
    package func fill() {
        var status = statvfs()
        guard unsafe statvfs(path, &status) == 0 else { return }
        resize(UInt64(status.f_blocks - status.f_bfree) * UInt64(status.f_frsize) + 65_536)
    }

    /// Gives the room back.
    package func empty() {
        resize(bytes)
    }

    private func resize(_ size: UInt64) {
        _ = unsafe mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT), "size=\(size)\(owner)")
    }
}
