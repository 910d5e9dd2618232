import CZlib

/// Bytes as one member of gzip (RFC 1952), such as the body of a request.
///
/// zlib fails only when memory is short or the library is broken, which no caller can fix.
///
/// - Parameter bytes: what is compressed.
/// - Returns: the member.
package func gzipped(_ bytes: [UInt8]) -> [UInt8] {
    var stream = unsafe z_stream()
    // 15 bits of window, and 16 for a gzip header (zlib.h, deflateInit2); 8 is zlib's own default for memory.
    let began = unsafe deflateInit2_(
        &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size))
    precondition(began == Z_OK, "zlib cannot compress: \(began)")
    defer { unsafe deflateEnd(&stream) }
    var result = [UInt8](repeating: 0, count: unsafe Int(deflateBound(&stream, UInt(bytes.count))))
    var input = bytes
    let (code, left) = unsafe input.withUnsafeMutableBufferPointer { input in
        unsafe result.withUnsafeMutableBufferPointer { output in
            unsafe stream.next_in = input.baseAddress
            unsafe stream.avail_in = UInt32(input.count)
            unsafe stream.next_out = output.baseAddress
            unsafe stream.avail_out = UInt32(output.count)
            return unsafe (deflate(&stream, Z_FINISH), Int(stream.avail_out))
        }
    }
    precondition(code == Z_STREAM_END, "zlib cannot compress: \(code)")
    result.removeLast(left)
    return result
}
