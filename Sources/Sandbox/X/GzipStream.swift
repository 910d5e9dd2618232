import CZlib

/// Compresses the body of one answer as it comes (RFC 1952), so that what was written can be read at once.
@safe
final class GzipStream {
    private let stream: UnsafeMutablePointer<z_stream>

    /// Nil when zlib has no memory.
    init?() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // 15 bits of window, and 16 for a gzip header (zlib.h, deflateInit2).
        let code = unsafe deflateInit2_(
            stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        if code != Z_OK { return nil }
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// The compressed form of the next bytes; with `isLast` the end of the stream as well.
    func compress(_ bytes: [UInt8], isLast: Bool = false) -> [UInt8] {
        var input = bytes
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let size = buffer.count
        unsafe input.withUnsafeMutableBufferPointer { input in
            unsafe stream.pointee.next_in = input.baseAddress
            unsafe stream.pointee.avail_in = UInt32(input.count)
            repeat {
                unsafe buffer.withUnsafeMutableBufferPointer { buffer in
                    unsafe stream.pointee.next_out = buffer.baseAddress
                    unsafe stream.pointee.avail_out = UInt32(size)
                    unsafe deflate(stream, isLast ? Z_FINISH : Z_SYNC_FLUSH)
                }
                output += buffer[..<(size - Int(unsafe stream.pointee.avail_out))]
            } while unsafe stream.pointee.avail_out == 0
        }
        return output
    }
}
