import TestSupport
import Testing

@testable import Digests

/// AES-256-GCM against the vectors of its specification, and what must not decrypt.
@Suite(.timeLimit(.minutes(5))) struct AESGCMTests {
    private func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.filter { !$0.isWhitespace }.compactMap { $0.hexDigitValue }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }

    private static let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
    private static let nonce = "cafebabefacedbaddecaf888"
    private static let text = """
        d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72 \
        1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255
        """
    private static let sealed = """
        522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa \
        8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad
        """
    private static let data = "feedfacedeadbeeffeedfacedeadbeefabaddad2"

    /// Test cases 13 to 16 of "The Galois/Counter Mode of Operation", which NIST SP 800-38D names as its source.
    @Test func theVectorsOfTheSpecification() {
        let zeroes = [UInt8](repeating: 0, count: 32)
        let zeroNonce = [UInt8](repeating: 0, count: 12)
        #expect(
            AESGCM.seal([], key: zeroes, nonce: zeroNonce, authenticating: [])
                == bytes("530f8afbc74536b9a963b4f1c4cb738b"))
        #expect(
            AESGCM.seal([UInt8](repeating: 0, count: 16), key: zeroes, nonce: zeroNonce, authenticating: [])
                == bytes("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"))
        #expect(
            AESGCM.seal(bytes(Self.text), key: bytes(Self.key), nonce: bytes(Self.nonce), authenticating: [])
                == bytes(Self.sealed + "b094dac5d93471bdec1a502270e3cc6c"))
        let short = bytes(Self.text).dropLast(4)
        #expect(
            AESGCM.seal(
                Array(short), key: bytes(Self.key), nonce: bytes(Self.nonce), authenticating: bytes(Self.data))
                == bytes(Self.sealed).dropLast(4) + bytes("76fc6ece0f4e1768cddf8853bb2d551b"))
    }

    @Test func whatWasSealedOpensAndNothingElseDoes() {
        let (key, nonce, data) = (randomBytes(32), randomBytes(12), Array("user|column".utf8))
        for count in [0, 1, 15, 16, 17, 1000] {
            let text = randomBytes(count)
            let sealed = AESGCM.seal(text, key: key, nonce: nonce, authenticating: data)
            #expect(sealed.count == count + AESGCM.tagBytes)
            #expect(AESGCM.open(sealed, key: key, nonce: nonce, authenticating: data) == text)
            for place in [0, sealed.count / 2, sealed.count - 1] {
                var changed = sealed
                changed[place] ^= 1
                #expect(AESGCM.open(changed, key: key, nonce: nonce, authenticating: data) == nil)
            }
            #expect(AESGCM.open(sealed, key: key, nonce: nonce, authenticating: data + [0]) == nil)
            #expect(AESGCM.open(sealed, key: randomBytes(32), nonce: nonce, authenticating: data) == nil)
            #expect(AESGCM.open(sealed, key: key, nonce: randomBytes(12), authenticating: data) == nil)
            #expect(AESGCM.open(Array(sealed.dropLast()), key: key, nonce: nonce, authenticating: data) == nil)
        }
        #expect(AESGCM.open([], key: key, nonce: nonce, authenticating: data) == nil)
    }

    /// RFC 4231, test case 2; RFC 2202, test case 2; FIPS 180-4's example.
    @Test func shortDigests() {
        let (text, key) = (Array("what do ya want for nothing?".utf8), Array("Jefe".utf8))
        #expect(
            ShortDigest.hmacSHA256(text, key: key)
                == bytes("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
        #expect(ShortDigest.hmacSHA1(text, key: key) == bytes("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"))
        #expect(
            ShortDigest.sha256(Array("abc".utf8))
                == bytes("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
    }
}
