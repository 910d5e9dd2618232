import Glibc

/// Checks that every service has.
extension DoctorFinding {
    /// A file with a secret, which only its owner and group may read.
    ///
    /// - Parameters:
    ///   - name: of the check.
    ///   - path: the file.
    /// - Returns: what was found; its content is checked with the settings.
    package static func secretFile(_ name: String, _ path: String) -> DoctorFinding {
        var found = stat()
        guard unsafe stat(path, &found) == 0 else {
            return .fail(name, "\(FileError("read", path))", remedy: "create the file", .operator(.credentials))
        }
        let mode = found.st_mode & 0o777
        guard mode & 0o007 == 0 else {
            return .warning(
                name, "\(path) has mode 0\(String(mode, radix: 8)): every user can read it", remedy: "chmod 600 \(path)"
            )
        }
        return .ok(name, "\(path) is readable for its owner")
    }

    /// A certificate, which must not end soon.
    ///
    /// - Parameters:
    ///   - name: of the check.
    ///   - owner: whose certificate it is, such as `db.example`.
    ///   - ends: when it ends.
    ///   - now: the time.
    /// - Returns: a warning when it ends within 14 days, as the alert TweetCertificateEnds; a failure when it has ended.
    package static func certificate(
        _ name: String, of owner: String, ends: Timestamp, now: Timestamp
    ) -> DoctorFinding {
        let days = (ends.milliseconds - now.milliseconds) / 86_400_000
        guard ends > now else {
            return .fail(name, "the certificate of \(owner) ended at \(ends)", remedy: "renew it", .wait)
        }
        guard days >= 14 else {
            return .warning(
                name, "the certificate of \(owner) ends in \(days) days, at \(ends)",
                remedy: "renew it, and look at what should have renewed it")
        }
        return .ok(name, "the certificate of \(owner) is valid for \(days) days")
    }

    /// Judges how many files a process may open (LimitNOFILE= of systemd, `ulimit -n`).
    ///
    /// - Parameters:
    ///   - limit: of this process unless given; that of a service is known inside its unit alone.
    ///   - least: what a service may need.
    /// - Returns: what was found.
    package static func openFiles(_ limit: Double = ProcessUsage.mostDescriptors, least: Int = 1024) -> DoctorFinding {
        let count = Int64(min(limit, 1e18))
        guard limit < Double(least) else {
            return .ok("open files", "a process that is started here may open \(count)")
        }
        return .warning(
            "open files", "a process that is started here may open only \(count)",
            remedy: "LimitNOFILE= in the unit, or ulimit -n, \(least) or more")
    }
}
