import Core

/// One of the simulator's users, the same for the same seed and number.
struct Person: Sendable {
    let id: Int64
    let username: String
    let name: String
    let createdAt: Timestamp
    let description: PostText
    let location: String
    let isVerified: Bool
    let followers: Int
    let following: Int
    let posts: Int

    init(_ number: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed, stream: 2, index: Int64(number))
        let book = random.pick(Phrasebook.all)
        // Between 2012 and 2024: user ids of that time are snowflakes too.
        createdAt = Timestamp(milliseconds: (1_325_376_000 + Int64(random.below(378_000_000))) * 1000)
        id = Snowflakes.id(at: createdAt, sequence: Int64(number))
        username = String("\(random.pick(Self.syllables))\(random.pick(Self.syllables))_\(number)".prefix(15))
        name = "\(random.pick(book.words)) \(random.pick(Phrasebook.symbols))"
        var text = PostText()
        for word in 0..<(4 + random.below(12)) {
            text.append(word == 0 ? random.pick(book.words) : " " + random.pick(book.words))
        }
        if random.chance(perMille: 300) { text.append(" "); text.appendHashtag(random.pick(book.hashtags)) }
        description = text
        location = random.chance(perMille: 500) ? random.pick(Phrasebook.places).full : ""
        isVerified = random.chance(perMille: 150)
        followers = random.below(1 << random.below(20))
        following = random.below(3000)
        posts = 1 + random.below(90_000)
    }

    private static let syllables = ["mo", "ka", "lin", "zed", "ara", "tok", "bel", "nim", "qu", "rio", "sun", "Vex"]
}

/// X's time-ordered ids: milliseconds since 2010-11-04T01:42:54.657Z above 22 bits of sequence.
enum Snowflakes {
    static let epoch: Int64 = 1_288_834_974_657

    static func id(at time: Timestamp, sequence: Int64) -> Int64 {
        ((time.milliseconds - epoch) << 22) | (sequence & 0x3f_ffff)
    }
}
