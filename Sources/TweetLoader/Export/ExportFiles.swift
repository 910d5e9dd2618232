import Core
import Digests
import Glibc

/// One file of an export, as the manifest lists it.
struct ExportedFile: Encodable, Sendable {
    let name: String
    let tweets: Int64
    let bytes: Int64
    let sha256: String
    /// Ids are texts, as in X's JSON: programs that read numbers as floats would round them.
    let firstID: String?
    let lastID: String?
}

/// Where the rows of an export go.
protocol ExportOutput: AnyObject {
    /// Appends the row of a tweet, which `write` makes.
    func add(_ id: Int64, _ write: (inout [UInt8]) throws -> Void) throws
    /// Returns when all rows are written, with the files.
    func finish() throws -> [ExportedFile]
    /// Leaves nothing behind.
    func abandon()
}

/// Standard output: rows only.
final class StandardOutput: ExportOutput {
    private var buffer: [UInt8]

    init(header: [UInt8]) { buffer = header }

    func add(_ id: Int64, _ write: (inout [UInt8]) throws -> Void) throws {
        try write(&buffer)
        if buffer.count >= ExportFolder.pieceBytes { try flush() }
    }

    func finish() throws -> [ExportedFile] {
        try flush()
        return []
    }

    func abandon() {}

    private func flush() throws {
        var start = 0
        while start < buffer.count {
            let count = unsafe buffer[start...].withUnsafeBytes {
                unsafe Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count)
            }
            guard count > 0 || errno == EINTR else { throw FileError("write", "standard output") }
            start += max(count, 0)
        }
        buffer.removeAll(keepingCapacity: true)
    }
}

/// The files of an export in a folder of its own.
///
/// They are written as `NAME.partial`. They get their names when all of them are complete and on the disk.
final class ExportFolder: ExportOutput {
    /// Bytes that are written at once.
    static let pieceBytes = 1 << 18
    static let partial = ".partial"

    /// What the files are called and how they are cut.
    struct Naming {
        var fileExtension: String
        var isCompressed = false
        /// Tweets in a file; nil: all in one.
        var segment: Int64?

        func name(_ number: Int) -> String {
            let digits = String(number)
            let part = segment == nil ? "" : "-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            return "tweets\(part).\(fileExtension)\(isCompressed ? ".gz" : "")"
        }
    }

    private let path: String
    private let naming: Naming
    private let header: [UInt8]
    private let isNew: Bool
    private var open: OpenFile?
    private var files: [ExportedFile] = []

    /// - Parameters:
    ///   - path: the folder, which is made when it is missing.
    ///   - naming: of the files.
    ///   - header: what each file begins with.
    /// - Throws: `ExportError` (`reject`) when the folder has an export or other files; `FileError`.
    init(_ path: String, _ naming: Naming, header: [UInt8]) throws {
        (self.path, self.naming, self.header) = (path, naming, header)
        isNew = try JournalFolder.size(path) == nil
        try JournalFolder.create(path)
        // What an export leaves behind that was killed.
        let names = try JournalFolder.names(path)
        for name in names where name.hasSuffix(Self.partial) { try JournalFolder.remove("\(path)/\(name)") }
        if let other = names.filter({ !$0.hasSuffix(Self.partial) }).min() {
            throw ExportError("\(path) is not empty: it has \(other); name a new folder with --output")
        }
    }

    func add(_ id: Int64, _ write: (inout [UInt8]) throws -> Void) throws {
        let file = try open ?? begin()
        try file.add(id, write)
        if file.tweets == naming.segment { try close(file) }
    }

    func finish() throws -> [ExportedFile] {
        if let open { try close(open) } else if files.isEmpty { try close(begin()) }
        for file in files { try JournalFolder.move("\(path)/\(file.name)\(Self.partial)", to: "\(path)/\(file.name)") }
        try JournalFolder.synchronize(path)
        return files
    }

    /// Adds `README.txt`, and at the very end `MANIFEST.json`: an export that has it is complete.
    func describe(_ manifest: ExportManifest) throws(FileError) {
        try JournalFolder.replace("README.txt", in: path, with: ExportReadme.text(manifest))
        try JournalFolder.replace("MANIFEST.json", in: path, with: manifest.json() + "\n")
    }

    func abandon() {
        open = nil
        let names = (try? JournalFolder.names(path)) ?? []
        for name in names where name.hasSuffix(Self.partial) { try? JournalFolder.remove("\(path)/\(name)") }
        if isNew { unsafe rmdir(path) }
    }

    private func begin() throws -> OpenFile {
        let name = naming.name(files.count + 1)
        let file = try OpenFile(name, in: path, isCompressed: naming.isCompressed, header: header)
        open = file
        return file
    }

    private func close(_ file: OpenFile) throws {
        files.append(try file.finish())
        open = nil
    }
}

/// A file that is being written.
private final class OpenFile {
    private let name: String
    private let path: String
    private let bytes: any ByteFile
    private var buffer: [UInt8]
    private(set) var tweets: Int64 = 0
    private var ids: (first: Int64, last: Int64)?

    init(_ name: String, in folder: String, isCompressed: Bool, header: [UInt8]) throws(FileError) {
        self.name = name
        path = "\(folder)/\(name)\(ExportFolder.partial)"
        bytes = isCompressed ? try CompressedFile(path) : try PlainFile(path)
        buffer = header
    }

    func add(_ id: Int64, _ write: (inout [UInt8]) throws -> Void) throws {
        try write(&buffer)
        tweets += 1
        ids = (ids?.first ?? id, id)
        if buffer.count >= ExportFolder.pieceBytes { try flush() }
    }

    func finish() throws -> ExportedFile {
        try flush()
        try bytes.finish()
        let digest = try FileDigest(ofFile: path)
        return ExportedFile(
            name: name, tweets: tweets, bytes: digest.bytes, sha256: digest.sha256,
            firstID: ids.map { String($0.first) }, lastID: ids.map { String($0.last) })
    }

    private func flush() throws(FileError) {
        try unsafe buffer.withBytes { (piece) throws(FileError) in try unsafe bytes.append(piece) }
        buffer.removeAll(keepingCapacity: true)
    }
}

/// A file that bytes are appended to.
private protocol ByteFile: AnyObject {
    func append(_ bytes: UnsafeRawBufferPointer) throws(FileError)
    /// Returns when all bytes are on the disk.
    func finish() throws(FileError)
}

private final class PlainFile: ByteFile {
    private let file: JournalFile

    init(_ path: String) throws(FileError) { file = try JournalFile(appendingTo: path) }

    func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) { try unsafe file.append(bytes) }
    func finish() throws(FileError) { try file.synchronize() }
}

private final class CompressedFile: ByteFile {
    private var file: GzipWriter

    init(_ path: String) throws(FileError) { file = try GzipWriter(creating: path) }

    func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) { try unsafe file.append(bytes) }
    func finish() throws(FileError) { try file.finish() }
}

/// Why an export cannot be made.
struct ExportError: DisposedError {
    let disposition: Disposition
    let description: String

    init(_ description: String, _ disposition: Disposition = .reject) {
        (self.description, self.disposition) = (description, disposition)
    }
}
