/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): the same seed, the same numbers.
struct SeededRandom {
    private var state: UInt64

    /// - Parameters:
    ///   - seed: chooses the whole world.
    ///   - stream: chooses one of its independent sequences.
    ///   - index: the place in it.
    init(seed: UInt64, stream: UInt64, index: Int64) {
        state = seed &+ stream &* 0xd6e8_feb8_6659_fd93 &+ UInt64(bitPattern: index) &* 0x9e37_79b9_7f4a_7c15
        // One step apart, neighbouring seeds would give the same sequence shifted by one.
        state = next() ^ stream
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }

    /// A number from 0 to `bound` - 1.
    mutating func below(_ bound: Int) -> Int {
        Int(next() % UInt64(max(bound, 1)))
    }

    /// True in the given number of a thousand cases.
    mutating func chance(perMille: Int) -> Bool {
        below(1000) < perMille
    }

    mutating func pick<Element>(_ list: [Element]) -> Element {
        list[below(list.count)]
    }

    /// Lower-case hexadecimal digits.
    mutating func hex(_ count: Int) -> String {
        String((0..<count).map { _ in Self.hexDigits[below(16)] })
    }

    /// Letters and digits as in a t.co link.
    mutating func code(_ count: Int) -> String {
        String((0..<count).map { _ in Self.codeDigits[below(62)] })
    }

    private static let hexDigits = Array("0123456789abcdef")
    private static let codeDigits = Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
}
