import Core
import Glibc

/// What files of ours need beside their text: who owns them, who else may write them, and where links lead.
enum FilePath {
    /// The path without links; nil when it does not exist.
    ///
    /// - Parameter path: of a file or a folder.
    /// - Returns: the absolute path.
    static func real(_ path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    /// The path from the root on.
    ///
    /// - Parameter path: may begin at the working folder, and need not exist.
    /// - Returns: the absolute path, links as they are.
    static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : (real(".") ?? "") + "/" + path
    }

    /// Owner, group and permissions of a file; nil when it does not exist.
    ///
    /// - Parameter path: of a file or a folder.
    /// - Returns: as stat(2) has them.
    /// - Throws: `FileError` when the system denies it.
    static func status(_ path: String) throws(FileError) -> (owner: uid_t, group: gid_t, mode: mode_t)? {
        var info = stat()
        if unsafe stat(path, &info) == 0 { return (info.st_uid, info.st_gid, info.st_mode & 0o7777) }
        if errno == ENOENT { return nil }
        throw FileError("stat", path)
    }

    /// The user and group of a name; nil when the host has no such user.
    ///
    /// - Parameter user: the name.
    /// - Returns: the numbers.
    static func ids(of user: String) -> (user: uid_t, group: gid_t)? {
        guard let entry = unsafe getpwnam(user) else { return nil }
        return unsafe (entry.pointee.pw_uid, entry.pointee.pw_gid)
    }

    /// Creates a folder and those above it where they are missing, and gives new ones to a user.
    ///
    /// - Parameters:
    ///   - path: absolute.
    ///   - owner: of what is created; nil for this process's.
    ///   - mode: of what is created.
    /// - Throws: `FileError`.
    static func create(_ path: String, owner: (user: uid_t, group: gid_t)?, mode: mode_t) throws(FileError) {
        var built = ""
        for part in path.split(separator: "/") {
            built += "/" + part
            guard unsafe mkdir(built, mode) == 0 else {
                if errno == EEXIST { continue }
                throw FileError("create folder", built)
            }
            guard unsafe chmod(built, mode) == 0 else { throw FileError("chmod", built) }
            if let owner, unsafe chown(built, owner.user, owner.group) != 0 { throw FileError("chown", built) }
        }
    }

    /// Does something with the rights of a user: what it creates is his, and links of his lead nowhere that he cannot go, apart
    /// from what the further groups of this process may do.
    ///
    /// All threads of the process change with it (seteuid(2)).
    ///
    /// - Parameters:
    ///   - owner: the user; nil for this process's, which must be root otherwise.
    ///   - body: what is done; threads that it starts have ended when it returns.
    /// - Throws: `FileError` when the system denies it; what `body` throws.
    static func with(rightsOf owner: (user: uid_t, group: gid_t)?, _ body: () throws -> Void) throws {
        guard let owner else { return try body() }
        let own = (user: geteuid(), group: getegid())
        defer {
            // With more rights than before nothing may go on, with fewer nothing can.
            guard seteuid(own.user) == 0, setegid(own.group) == 0 else { fatalError("cannot return to the own user") }
        }
        guard setegid(owner.group) == 0 else { throw FileError("setegid", "\(owner.group)") }
        guard seteuid(owner.user) == 0 else { throw FileError("seteuid", "\(owner.user)") }
        try body()
    }
}
