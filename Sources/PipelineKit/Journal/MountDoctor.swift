import Core
import Glibc

/// A mount as the kernel lists it (proc(5), mountinfo).
package struct Mount: Sendable, Equatable {
    /// Such as `ext4`.
    package let kind: String
    /// Of the mount and of its file system, such as `noatime` and `data=ordered`.
    package let options: Set<String>

    /// The mount that a folder of this host is on; nil when it is not known.
    init?(of folder: String) {
        guard let real = unsafe realpath(folder, nil) else { return nil }
        defer { unsafe free(real) }
        self.init(of: unsafe String(cString: real), (try? readTextFile("/proc/self/mountinfo")) ?? "")
    }

    /// The longest mount point above a folder; nil when there is no such mount.
    ///
    /// - Parameters:
    ///   - folder: absolute, without links.
    ///   - mounts: as of proc(5), mountinfo.
    package init?(of folder: String, _ mounts: String) {
        var found: (point: String, mount: (kind: String, options: Set<String>))?
        for line in mounts.split(separator: "\n") {
            guard let dash = line.firstRange(of: " - ") else { continue }
            let (fields, rest) = (
                line[..<dash.lowerBound].split(separator: " "), line[dash.upperBound...].split(separator: " ")
            )
            guard fields.count >= 6, let kind = rest.first else { continue }
            let point = fields[4].replacing("\\040", with: " ")
            let isAbove = point == "/" || folder == point || folder.hasPrefix(point + "/")
            // Of two mounts at one point the later one is seen.
            guard isAbove, point.count >= found?.point.count ?? 0 else { continue }
            let options = (fields[5].split(separator: ",") + (rest.dropFirst(2).first?.split(separator: ",") ?? []))
            found = (String(point), (String(kind), Set(options.map { String($0) })))
        }
        guard let found else { return nil }
        (kind, options) = found.mount
    }
}

/// What the mount of a journal's folder means for its lines.
extension FolderDoctor {
    private static let networkFileSystems: Set = [
        "nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "ceph",
    ]

    /// What a fsync does not bring to the disk, so that a power failure loses lines that X will not send again: mount(8), ext4(5),
    /// xfs(5), btrfs(5).
    private static let weakOptions: [String: String] = [
        "nobarrier": "the disk's cache is not flushed", "barrier=0": "the disk's cache is not flushed",
        "data=writeback": "files may have old blocks after a power failure",
    ]

    private static let passingFileSystems = [
        "tmpfs": "it is deleted with the next restart of the host",
        "ramfs": "it is deleted with the next restart of the host",
        "overlay": "it is deleted with the container",
    ]

    /// The kind of file system that a folder is on.
    ///
    /// - Parameters:
    ///   - folder: absolute, without links.
    ///   - mounts: as of proc(5), mountinfo.
    /// - Returns: its name in proc(5); empty when there is no such mount.
    package static func fileSystem(of folder: String, _ mounts: String) -> String {
        Mount(of: folder, mounts)?.kind ?? ""
    }

    /// What a kind of file system means for a journal.
    ///
    /// - Parameters:
    ///   - type: as of proc(5), mountinfo.
    ///   - place: the folder.
    /// - Returns: what was found.
    package static func kind(_ type: String, _ place: String) -> DoctorFinding {
        guard networkFileSystems.contains(type) else { return .ok("journal", "\(place) is on a local disk") }
        return .fail(
            "journal", "\(place) is on \(type), where locks and fsync are not reliable",
            remedy: "use a local disk, or a block device of the cloud", .operator(.disk))
    }

    /// What mount options, and file systems that do not last, mean for a journal.
    ///
    /// - Parameters:
    ///   - mount: of the folder; nil when it is not known.
    ///   - place: the folder.
    /// - Returns: what was found.
    package static func mount(_ mount: Mount?, _ place: String) -> DoctorFinding {
        guard let mount else { return .ok("mount", "not known") }
        if let reason = passingFileSystems[mount.kind] {
            return .warning(
                "mount", "\(place) is on \(mount.kind): \(reason)",
                remedy: "use a local disk; in a container, a volume for JOURNAL_DIR")
        }
        let weak = weakOptions.filter { mount.options.contains($0.key) }.sorted { $0.key < $1.key }
        guard !weak.isEmpty else { return .ok("mount", "\(mount.kind), no option that weakens an fsync") }
        let list = weak.map { "\($0.key) (\($0.value))" }.joined(separator: ", ")
        return .warning(
            "mount", "\(place) is mounted with \(list)",
            remedy: "remove \(weak.map(\.key).joined(separator: ", ")) from /etc/fstab, and mount it again")
    }
}
