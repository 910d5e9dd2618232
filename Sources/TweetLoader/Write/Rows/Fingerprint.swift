/// A 64-bit hash that says whether bytes are the same as before; not for secrets, and stable, as it is stored.
///
/// Multiplies to 128 bits and folds, eight bytes at a time, the way wyhash does (Wang Yi, public domain).
enum Fingerprint {
    /// The hash of bytes.
    static func of(_ bytes: UnsafeRawBufferPointer) -> Int64 {
        var hash = fold(UInt64(bytes.count) ^ 0x9E37_79B9_7F4A_7C15)
        var offset = 0
        while offset + 8 <= bytes.count {
            let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            hash = fold(hash ^ word.littleEndian)
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < bytes.count {
            tail = tail << 8 | UInt64(unsafe bytes[offset])
            offset += 1
        }
        return Int64(bitPattern: fold(hash ^ tail))
    }

    private static func fold(_ value: UInt64) -> UInt64 {
        // Adding keeps a zero from staying one.
        let product = (value &+ 0x2D35_8DCC_AA6C_78A5).multipliedFullWidth(by: 0x8BB8_4B93_962E_ACC9)
        return product.high ^ product.low
    }
}
