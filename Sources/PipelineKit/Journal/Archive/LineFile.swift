import Core
import Digests
import Glibc
import TweetFormat

/// Reads lines of a file, compressed with gzip or not.
package struct LineFile: ~Copyable {
    private let file: GzipReader
    private let limit: Int
    private let isForeign: Bool

    /// - Parameters:
    ///   - path: of the file.
    ///   - limit: bytes of the longest line.
    ///   - isForeign: whether other tools may have written it: a byte order mark is dropped, arrays are cut into their
    ///     elements, lines without a value are passed over, and other encodings are named.
    /// - Throws: `FileError` when it cannot be opened.
    package init(_ path: String, limit: Int = 4 << 20, isForeign: Bool = false) throws(FileError) {
        file = try GzipReader(path, allowsPlain: true)
        (self.limit, self.isForeign) = (limit, isForeign)
    }

    /// Hands out every line without its end, its place, and where in the stored file reading is.
    ///
    /// - Throws: `GzipError` when the compressed file is damaged or cut short; `JournalError`: `reject` when it is of another
    ///   form, ends within an array, or has a line beyond the limit; `FileError`; what `body` throws.
    package func read(_ body: (UnsafeRawBufferPointer, LinePlace, Int64) throws -> Void) throws {
        var cutter = LineCutter(limit: limit, opensArrays: isForeign)
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        do {
            var count = try fillHead(&buffer)
            var start = isForeign ? try pastMark(buffer[..<count]) : 0
            while count > 0 {
                try unsafe buffer[start..<count].withUnsafeBytes { bytes in
                    try unsafe cutter.feed(bytes) { line, place in try unsafe body(line, place, file.offset) }
                }
                start = 0
                count = try unsafe buffer.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
            }
            try unsafe cutter.finish { try unsafe body($0, $1, file.offset) }
        } catch let problem as LineCutter.Problem { throw described(problem) }
    }

    /// Reads enough to know what the file is.
    private func fillHead(_ buffer: inout [UInt8]) throws -> Int {
        var filled = 0
        while filled < ForeignForm.headBytes {
            let count = try unsafe buffer.withUnsafeMutableBytes {
                try unsafe file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[filled...]))
            }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// How many bytes of a byte order mark the file begins with.
    private func pastMark(_ head: ArraySlice<UInt8>) throws(JournalError) -> Int {
        if let form = ForeignForm(head) {
            throw JournalError(
                .reject, "\(file.path) \(form.name), which replay does not read: \(form.remedy(file.path))")
        }
        return head.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    }

    private func described(_ problem: LineCutter.Problem) -> JournalError {
        switch problem {
        case .tooLong(let place):
            JournalError(
                .reject,
                "\(file.path), \(place): longer than \(limit) bytes. Raise X_LINE_LIMIT if that is one tweet or page.")
        case .openArray(let line, let elements):
            JournalError(
                .reject,
                "\(file.path) is cut short at byte \(file.offset): the array that begins in line \(line) has no end."
                    + " Its first \(elements) elements are whole.")
        }
    }
}

/// A form of file that replay does not read, by its first bytes.
struct ForeignForm {
    /// What the file is, as a predicate.
    let name: String
    private let command: String

    /// Number of bytes at the beginning that are checked.
    static let headBytes = 8

    private static let known: [(bytes: [UInt8], name: String, command: String)] = [
        (Array("BZh".utf8), "is compressed with bzip2", "bzcat"),
        ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "is compressed with xz", "xzcat"),
        ([0x28, 0xb5, 0x2f, 0xfd], "is compressed with zstd", "zstdcat"),
        ([0x04, 0x22, 0x4d, 0x18], "is compressed with lz4", "lz4cat"),
        (Array("PK\u{3}\u{4}".utf8), "is a ZIP archive", "unzip -p"),
        ([0x1f, 0x8b], "is gzip inside gzip", "zcat"),
        ([0xff, 0xfe, 0, 0], "is UTF-32", "iconv -f UTF-32 -t UTF-8"),
        ([0xff, 0xfe], "is UTF-16", "iconv -f UTF-16 -t UTF-8"),
        ([0xfe, 0xff], "is UTF-16", "iconv -f UTF-16 -t UTF-8"),
    ]

    /// Nil for a file that may be JSON in UTF-8.
    init?(_ head: ArraySlice<UInt8>) {
        if let form = Self.known.first(where: { head.starts(with: $0.bytes) }) {
            (name, command) = (form.name, form.command)
        } else if head.count >= 2, head[head.startIndex] == 0, head[head.startIndex + 1] != 0 {
            // JSON begins with ASCII (RFC 4627, section 3).
            (name, command) = ("is UTF-16 without a byte order mark", "iconv -f UTF-16BE -t UTF-8")
        } else if head.count >= 2, head[head.startIndex] != 0, head[head.startIndex + 1] == 0 {
            (name, command) = ("is UTF-16 without a byte order mark", "iconv -f UTF-16LE -t UTF-8")
        } else {
            return nil
        }
    }

    /// The command that makes a file that replay reads.
    func remedy(_ path: String) -> String { "run `\(command) \(path) > NEW.jsonl` and replay NEW.jsonl" }
}
