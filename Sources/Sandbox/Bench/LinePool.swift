/// Made-up lines, ready to be sent as chunks of an HTTP body.
struct LinePool: Sendable {
    /// Lines that go out as one chunk: about what a socket holds.
    static let linesPerBlock = 32

    let blocks: [[UInt8]]
    /// Mean length of a line, in bytes.
    let lineBytes: Double

    /// - Parameter lines: how many different ones; rounded up to whole blocks.
    init(lines: Int) {
        let whole = (lines + Self.linesPerBlock - 1) / Self.linesPerBlock * Self.linesPerBlock
        let made = BenchLines(.some).make(0..<Int64(whole))
        lineBytes = Double(made.reduce(0) { $0 + $1.count }) / Double(made.count)
        blocks = stride(from: 0, to: made.count, by: Self.linesPerBlock).map { start in
            Self.chunk(Array(made[start..<start + Self.linesPerBlock].map { $0 + [13, 10] }.joined()))
        }
    }

    /// Bytes as one chunk of an HTTP body (RFC 9112, section 7.1).
    static func chunk(_ bytes: [UInt8]) -> [UInt8] {
        Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + [13, 10]
    }
}

/// The generator's lines, made by several threads.
struct BenchLines: Sendable {
    /// Which lines have what the expansions bring.
    enum Includes {
        case none
        /// Eleven in twenty: about the 1.6 KB a line of recorded streams.
        case some
        case all
    }

    private let includes: Includes
    private let generator: TweetGenerator
    private let rules = [
        StreamRule(id: "1790000000000000001", value: "coffee", tag: "coffee"),
        StreamRule(id: "1790000000000000002", value: "cats", tag: "cats"),
    ]
    private static let threads = 4

    /// - Parameters:
    ///   - includes: which lines have what the expansions bring.
    ///   - people: how many authors there are.
    init(_ includes: Includes, people: Int = 4096) {
        self.includes = includes
        generator = TweetGenerator(seed: 7, people: people)
    }

    private func line(_ index: Int64) -> [UInt8] {
        let hasIncludes = includes == .all || (includes == .some && index % 20 < 11)
        return generator.line(index, rules: rules, hasIncludes: hasIncludes)
    }

    /// The lines of these posts, in their order.
    func make(_ indexes: Range<Int64>) -> [[UInt8]] {
        let parts = try? blocking {
            await withTaskGroup(of: (Int, [[UInt8]]).self) { group in
                for part in 0..<Self.threads {
                    group.addTask {
                        let own = stride(
                            from: indexes.lowerBound + Int64(part), to: indexes.upperBound, by: Self.threads)
                        return (part, own.map(line))
                    }
                }
                return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
        }
        return (0..<indexes.count).compactMap { parts?[$0 % Self.threads]?[$0 / Self.threads] }
    }

    func id(of index: Int64) -> Int64 { generator.id(of: index) }
}
