import CZlib
import Core
import Glibc

/// A file that does not hold what gzip wrote: its path, the place and the damage.
package struct GzipError: DisposedError {
    package let description: String

    init(_ description: String) { self.description = description }

    /// The file stays as it is; others may be whole.
    package var disposition: Disposition { .reject }
}

/// Reads a gzip file (RFC 1952) of one or more members, and rejects one that is cut short, damaged, or followed by other bytes.
///
/// zlib's own `gzread` ends in good form at the first byte that begins no member, and does not say where. Bytes of NUL behind
/// the last member are padding, as for `gzip -d`. Bytes before a damage are handed out before the error is thrown.
/// Owned by one thread.
@safe
package final class GzipReader {
    private enum Part { case start, plain, member, behindMember, padding }

    package let path: String
    private let allowsPlain: Bool
    private let descriptor: Int32
    private let stream: UnsafeMutablePointer<z_stream>
    private let input: UnsafeMutableRawBufferPointer
    private var part = Part.start
    /// Bytes of the stored file that were read so far.
    private var fetched: Int64 = 0
    /// Where the current member begins.
    private var member: Int64 = 0
    private var damage: GzipError?

    /// - Parameters:
    ///   - path: of the file.
    ///   - allowsPlain: whether a file that does not begin as gzip's do is read as it is, and not rejected.
    /// - Throws: `FileError` when it cannot be opened.
    package init(_ path: String, allowsPlain: Bool = false) throws(FileError) {
        self.path = path
        self.allowsPlain = allowsPlain
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe input = .allocate(byteCount: 1 << 17, alignment: 16)
        guard descriptor >= 0 else { throw FileError("open", path) }
        // 15 bits of window, and 16 for a gzip header (zlib.h, inflateInit2).
        let code = unsafe inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else { throw FileError("open", path, code: ENOMEM) }
    }

    deinit {
        // Without inflateInit2 there is no state, and inflateEnd does nothing.
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
        unsafe input.deallocate()
        if descriptor >= 0 { close(descriptor) }
    }

    /// Where in the stored file reading is, in bytes.
    package var offset: Int64 { unsafe fetched - Int64(stream.pointee.avail_in) }

    /// Fills `buffer` from where the last read ended; returns how many bytes there were, 0 at the file's good end.
    ///
    /// - Throws: `GzipError` when the file does not hold what gzip wrote, `FileError` when it cannot be read.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if let damage { throw damage }
        while true {
            switch part {
            case .start: try start()
            case .plain: return try unsafe readPlain(into: buffer)
            case .member:
                let count = try unsafe inflateNext(into: buffer)
                if count > 0 { return count }
            case .behindMember:
                guard try fill() else { return 0 }
                part = unsafe stream.pointee.next_in.pointee == 0 ? .padding : .member
                member = offset
                if part == .member { unsafe inflateReset(stream) }
            case .padding:
                guard try fill() else { return 0 }
                try skipPadding()
            }
        }
    }

    /// Reads more of the file when nothing is left of the last piece; false at its end.
    private func fill() throws(FileError) -> Bool {
        guard unsafe stream.pointee.avail_in == 0 else { return true }
        while true {
            let count = unsafe Glibc.read(descriptor, input.baseAddress, input.count)
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw FileError("read", path)
            }
            unsafe stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe stream.pointee.avail_in = UInt32(count)
            fetched += Int64(count)
            return count > 0
        }
    }

    private func start() throws {
        guard try fill(), unsafe stream.pointee.next_in.pointee == 0x1f else {
            guard allowsPlain else { throw GzipError("\(path) is damaged: not a gzip file") }
            return part = .plain
        }
        part = .member
    }

    private func readPlain(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        guard try fill() else { return 0 }
        let count = unsafe min(Int(stream.pointee.avail_in), buffer.count)
        unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(start: stream.pointee.next_in, count: count))
        unsafe stream.pointee.next_in += count
        unsafe stream.pointee.avail_in -= UInt32(count)
        return count
    }

    /// Decompresses a piece of the current member; 0 when it has ended.
    private func inflateNext(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let hasInput = try fill()
            unsafe stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe stream.pointee.avail_out = UInt32(clamping: buffer.count)
            let code = unsafe inflate(stream, Z_NO_FLUSH)
            let count = unsafe buffer.count - Int(stream.pointee.avail_out)
            switch code {
            case Z_STREAM_END:
                part = .behindMember
                return count
            case Z_OK, Z_BUF_ERROR:
                if count > 0 { return count }
                if !hasInput { throw cut }
            case Z_MEM_ERROR: throw FileError("read", path, code: ENOMEM)
            default:
                damage = described(code)
                guard count > 0 else { throw damage ?? cut }
                return count
            }
        }
    }

    private var cut: GzipError {
        GzipError(
            "\(path) is cut short at byte \(offset): the gzip member that begins at byte \(member) has no end."
                + " `zcat` reads the part before the cut.")
    }

    private func described(_ code: Int32) -> GzipError {
        let text = unsafe stream.pointee.msg.map { unsafe String(cString: $0) } ?? "zlib error \(code)"
        if text == "incorrect header check" {
            return GzipError("\(path) is damaged: no gzip member follows byte \(member)")
        }
        return GzipError(
            "\(path) is damaged at or before byte \(offset), in the gzip member that begins at byte \(member): \(text)")
    }

    private func skipPadding() throws(GzipError) {
        while unsafe stream.pointee.avail_in > 0 {
            guard unsafe stream.pointee.next_in.pointee == 0 else {
                throw GzipError("\(path) is damaged: no gzip member follows byte \(offset), after padding")
            }
            unsafe stream.pointee.next_in += 1
            unsafe stream.pointee.avail_in -= 1
        }
    }
}
