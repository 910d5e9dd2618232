import CZlib

/// CRC-32 of some bytes as gzip (RFC 1952, 8) has it, continued from `previous`.
package func crc32(of bytes: UnsafeRawBufferPointer, from previous: UInt32 = 0) -> UInt32 {
    // zlib answers a null pointer with the initial value (zlib.h, crc32_z).
    guard let start = bytes.baseAddress else { return previous }
    return unsafe UInt32(
        truncatingIfNeeded: crc32_z(UInt(previous), start.assumingMemoryBound(to: UInt8.self), bytes.count))
}
