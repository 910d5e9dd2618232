import Core
import Glibc

/// Looks at the folder of a journal as a service will use it.
package struct FolderDoctor {
    private let folder: String

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
        let mount = Mount(of: place)
        return [Self.kind(mount?.kind ?? "", place), Self.mount(mount, place), room(place), sync(place)]
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
