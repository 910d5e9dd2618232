import Glibc

/// An open file of the journal and the only owner of its descriptor.
///
/// Every method throws `FileError` with the system's reason; interrupted calls are repeated.
package struct JournalFile: ~Copyable {
    package let path: String
    private let descriptor: Int32

    /// Opens a file for reading and appending, and creates it when it is not there.
    package init(appendingTo path: String) throws(FileError) {
        self.path = path
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileError("open", path) }
    }

    /// Creates a file for appending that only this user can read.
    ///
    /// - Throws: `FileError` also when there is one of that name, or a link.
    package init(creating path: String) throws(FileError) {
        self.path = path
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError("create", path) }
    }

    /// Opens a file for reading and writing anywhere, and creates it when it is not there.
    package init(updating path: String) throws(FileError) {
        self.path = path
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileError("open", path) }
    }

    /// Opens a file for reading.
    package init(reading path: String) throws(FileError) {
        self.path = path
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("open", path) }
    }

    deinit {
        close(descriptor)
    }

    /// Appends all bytes.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        var rest = unsafe bytes
        while unsafe !rest.isEmpty {
            let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError("write", path)
            }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }

    /// Writes all bytes at `offset`, into a file opened for updating.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(FileError) {
        guard unsafe pwrite(descriptor, bytes.baseAddress, bytes.count, Int(offset)) == bytes.count else {
            throw FileError("write", path)
        }
    }

    /// Appends a text.
    package func append(text: String) throws(FileError) {
        let bytes = Array(text.utf8)
        try unsafe bytes.withBytes { (buffer) throws(FileError) in try unsafe append(buffer) }
    }

    /// Fills `buffer` from `offset` on; returns how many bytes there were, fewer only at the end of the file.
    package func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = unsafe pread(
                descriptor, buffer.baseAddress! + filled, buffer.count - filled, Int(offset) + filled)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError("read", path)
            }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// Returns when the file's bytes and size are on the disk (fdatasync(2)).
    package func synchronize() throws(FileError) {
        guard fdatasync(descriptor) == 0 else { throw FileError("fdatasync", path) }
    }

    /// The file's size in bytes and when it was last changed.
    package func status() throws(FileError) -> (size: Int64, modified: Timestamp) {
        var info = stat()
        guard unsafe fstat(descriptor, &info) == 0 else { throw FileError("stat", path) }
        let modified = Int64(info.st_mtim.tv_sec) * 1000 + Int64(info.st_mtim.tv_nsec) / 1_000_000
        return (Int64(info.st_size), Timestamp(milliseconds: modified))
    }

    /// Whether the file is empty or its last line has its end.
    package func endsWithLineFeed() throws(FileError) -> Bool {
        let size = try status().size
        guard size > 0 else { return true }
        var last: [UInt8] = [0]
        _ = try unsafe last.withMutableBytes { (bytes) throws(FileError) in try unsafe read(at: size - 1, into: bytes) }
        return last[0] == UInt8(ascii: "\n")
    }

    /// Cuts the file to `size` bytes.
    package func truncate(to size: Int64) throws(FileError) {
        guard ftruncate(descriptor, Int(size)) == 0 else { throw FileError("truncate", path) }
    }

    /// Takes an exclusive lock that lasts as long as this value; false when another process holds it (flock(2)).
    package func lock() throws(FileError) -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw FileError("lock", path) }
        return false
    }

    /// The same, retrying for a second: a process that only reads the holder has the lock for a short time; so has a
    /// program that its holder was just starting, until it is loaded, though the holder has let go.
    package func lockWithinASecond() throws(FileError) -> Bool {
        for _ in 0..<20 {
            if try lock() { return true }
            usleep(50_000)
        }
        return false
    }

    /// Waits for the exclusive lock and sends heartbeats; for files that every process holds only briefly.
    ///
    /// - Throws: `FileError`, with the code `EWOULDBLOCK` when another process holds it for longer than `patience`.
    package func waitForLock(atMost patience: Duration) throws(FileError) {
        let deadline = ContinuousClock.now + patience
        while !(try lock()) {
            guard ContinuousClock.now < deadline else { throw FileError("lock", path, code: EWOULDBLOCK) }
            Heartbeat.beat()
            usleep(5000)
        }
    }

    /// Whether `path` still names this very file, and no other took its place.
    package func isStillNamed() -> Bool {
        var own = stat()
        var named = stat()
        return unsafe fstat(descriptor, &own) == 0 && stat(path, &named) == 0 && own.st_ino == named.st_ino
            && own.st_dev == named.st_dev
    }
}

/// What the journal does to folders and whole files.
package enum JournalFolder {
    /// Creates a folder and those above it where they are missing.
    package static func create(_ path: String) throws(FileError) {
        var built = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            built += built.isEmpty || built == "/" ? String(part) : "/" + part
            if unsafe mkdir(built, 0o750) != 0, errno != EEXIST { throw FileError("create folder", built) }
        }
    }

    /// Makes created, renamed and removed names durable.
    package static func synchronize(_ path: String) throws(FileError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("open folder", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileError("fsync folder", path) }
    }

    /// The names in a folder, without order.
    package static func names(_ path: String) throws(FileError) -> [String] {
        guard let folder = unsafe opendir(path) else { throw FileError("open folder", path) }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Replaces a file so that after a crash either the old or the new content is there, never a mixture.
    ///
    /// A build for tests can be killed at `point` before, between and after the steps.
    package static func replace(
        _ name: String, in folder: String, with text: String, at point: FailPoint? = nil
    ) throws(FileError) {
        let path = folder + "/" + name
        let aside = path + ".new"
        point?.pass()
        try remove(aside)
        let file = try JournalFile(appendingTo: aside)
        try file.append(text: text)
        try file.synchronize()
        point?.pass()
        try move(aside, to: path)
        point?.pass()
        try synchronize(folder)
    }

    /// Gives a file another name, in place of the file that had it (rename(2)).
    package static func move(_ path: String, to target: String) throws(FileError) {
        guard unsafe rename(path, target) == 0 else { throw FileError("rename", path) }
    }

    /// Gives a file a second name (link(2)); a name that is there already is replaced.
    package static func link(_ path: String, as target: String) throws(FileError) {
        try remove(target)
        guard unsafe Glibc.link(path, target) == 0 else { throw FileError("link", path) }
    }

    /// Removes a file; one that is not there is no error.
    package static func remove(_ path: String) throws(FileError) {
        if unsafe unlink(path) != 0, errno != ENOENT { throw FileError("remove", path) }
    }

    /// A file's size in bytes; nil when it is not there.
    package static func size(_ path: String) throws(FileError) -> Int64? {
        var info = stat()
        if unsafe fstatat(AT_FDCWD, path, &info, 0) == 0 { return Int64(info.st_size) }
        if errno == ENOENT { return nil }
        throw FileError("stat", path)
    }
}
