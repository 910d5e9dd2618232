import CDeflate

/// CRC-32 of some bytes as zlib and gzip (RFC 1952, 8) count it, going on from `previous`.
package func crc32(of bytes: UnsafeRawBufferPointer, from previous: UInt32 = 0) -> UInt32 {
    // libdeflate returns the initial value when called without bytes (libdeflate.h, libdeflate_crc32).
    guard let start = bytes.baseAddress else { return previous }
    return unsafe libdeflate_crc32(previous, start, bytes.count)
}
