import Core
import Glibc

/// Looks at the folder of a journal as a service will use it.
package struct FolderDoctor {
    private let folder: String

    /// Names of proc(5), mountinfo.
    private static let networkFileSystems: Set = [
        "nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "ceph",
    ]
    private static let slowSync = Duration.milliseconds(50)

    /// - Parameter folder: JOURNAL_DIR.
    package init(_ folder: String) {
        self.folder = folder
    }

    /// Everything about it; the disk is only written to when the folder is there and can be.
    package var findings: [DoctorFinding] {
        guard let place = existing else {
            return [
                .fail("journal", "\(folder) cannot be created", remedy: "choose another JOURNAL_DIR", .operator(.disk))
            ]
        }
        guard unsafe access(place, W_OK | X_OK) == 0 else {
            return [
                .fail(
                    "journal", "\(place) cannot be written by uid \(geteuid())",
                    remedy: "chown it to the user of the service", .operator(.disk))
            ]
        }
        return [Self.kind(fileSystem(of: place), place), room(place), sync(place)]
    }

    /// Whether something has this path.
    package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// The folder, or the next one above it that exists, in which it can be created.
    private var existing: String? {
        var path = folder.hasPrefix("/") ? folder : "./" + folder
        while unsafe access(path, F_OK) != 0 {
            guard let slash = path.lastIndex(of: "/") else { return nil }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
        return path
    }

    private func fileSystem(of place: String) -> String {
        let mounts = (try? readTextFile("/proc/self/mountinfo")) ?? ""
        guard let real = unsafe realpath(place, nil) else { return "" }
        defer { unsafe free(real) }
        return Self.fileSystem(of: unsafe String(cString: real), mounts)
    }

    /// The kind of file system that a folder is on: that of the longest mount point above it.
    ///
    /// - Parameters:
    ///   - folder: absolute, without links.
    ///   - mounts: as of proc(5), mountinfo.
    /// - Returns: its name in proc(5); empty when there is no such mount.
    package static func fileSystem(of folder: String, _ mounts: String) -> String {
        var found = (point: "", kind: "")
        for line in mounts.split(separator: "\n") {
            guard let dash = line.firstRange(of: " - ") else { continue }
            let (fields, rest) = (
                line[..<dash.lowerBound].split(separator: " "), line[dash.upperBound...].split(separator: " ")
            )
            guard fields.count >= 5, let kind = rest.first else { continue }
            let point = fields[4].replacing("\\040", with: " ")
            let isAbove = point == "/" || folder == point || folder.hasPrefix(point + "/")
            // Of two mounts at one point the later one is seen.
            if isAbove, point.count >= found.point.count { found = (String(point), String(kind)) }
        }
        return found.kind
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

    private func room(_ place: String) -> DoctorFinding {
        var info = statvfs()
        guard unsafe statvfs(place, &info) == 0, info.f_blocks > 0 else { return .ok("room", "not known") }
        let percent = Int(info.f_bavail * 100 / info.f_blocks)
        let megabytes = UInt64(info.f_bavail) * UInt64(info.f_frsize) / 1_000_000
        let detail = "\(megabytes) MB free, \(percent) %"
        if info.f_files > 0, info.f_favail * 50 < info.f_files {
            return .warning("room", "\(detail); less than 2 % of the inodes are free", remedy: "remove small files")
        }
        if megabytes < 1000 || percent < 10 {
            return .warning("room", detail, remedy: "make room, set JOURNAL_QUOTA, or lower JOURNAL_KEEP")
        }
        return .ok("room", detail)
    }

    /// Writes and syncs 4 KiB twenty times, as the journal does, into a file that is removed.
    private func sync(_ place: String) -> DoctorFinding {
        let path = "\(place)/.doctor-\(getpid())"
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            return .fail("fsync", "\(path): \(FileError("create", path))", remedy: "see journal", .operator(.disk))
        }
        defer {
            close(file)
            unsafe unlink(path)
        }
        let block = [UInt8](repeating: 0, count: 4096)
        var times: [Duration] = []
        for _ in 0..<20 {
            let began = ContinuousClock.now
            let written = unsafe block.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
            guard written == block.count, fsync(file) == 0 else {
                return .fail(
                    "fsync", "\(FileError("write and sync", path))", remedy: "make room on the disk", .operator(.disk))
            }
            times.append(began.duration(to: .now))
        }
        return Self.speed(times.sorted())
    }

    /// Judges the disk by what it took for 4 KiB.
    ///
    /// - Parameter times: rising; at least one.
    /// - Returns: what was found.
    package static func speed(_ times: [Duration]) -> DoctorFinding {
        let (median, worst) = (times[times.count / 2], times[times.count - 1])
        let detail = "an fsync takes \(median.short), at worst \(worst.short)"
        if median <= slowSync { return .ok("fsync", detail) }
        return .warning("fsync", detail, remedy: "use a faster disk; each line waits for one fsync")
    }
}
