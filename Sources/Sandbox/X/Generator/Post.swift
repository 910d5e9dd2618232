import Core

/// One post of the simulator's world, before it is written as JSON.
struct Post: Sendable {
    enum Kind: Sendable, Equatable {
        case original
        case reply(to: Int64)
        case quote(of: Int64)
        case repost(of: Int64)
        /// A later version of an earlier post, which gets an id of its own.
        case edit(of: Int64)

        /// The index of the other post.
        var base: Int64? {
            switch self {
            case .original: nil
            case .reply(let base), .quote(let base), .repost(let base), .edit(let base): base
            }
        }
    }

    struct Media: Sendable {
        let key: String
        let type: String
        let altText: String?
    }

    /// Whether the post that is answered stays out of `includes`, as when X may not show it.
    var isTerse: Bool { if case .reply = kind { index % 4 != 0 } else { false } }

    let index: Int64
    let kind: Kind
    let author: Person
    let language: String
    let text: PostText
    /// The whole text when it is longer than 280 code points.
    let longText: PostText?
    let media: [Media]
    let pollLabels: [String]
    /// The number of a place in the phrasebook.
    let place: Int?
    let hasPoint: Bool
    let isSensitive: Bool
    /// The indexes of all versions, oldest first, this one last.
    let history: [Int64]
}

/// Makes posts: a pure function of seed and index.
struct PostWriter: Sendable {
    let seed: UInt64
    /// How many users write the posts.
    let people: Int

    func kind(of index: Int64) -> Post.Kind {
        var random = SeededRandom(seed: seed, stream: 1, index: index)
        switch roll(&random, index) {
        case .original: return .original
        case .edit(let base): return .edit(of: base)
        case .other(let kind):
            // Others refer to originals only: looking for one needs their rolls, never their own bases.
            var base = index - 1 - Int64(random.below(40))
            while base > 0, !isOriginal(base) { base -= 1 }
            return kind(max(base, 0))
        }
    }

    private enum Roll {
        case original
        case edit(of: Int64)
        case other((Int64) -> Post.Kind)
    }

    private func isOriginal(_ index: Int64) -> Bool {
        var random = SeededRandom(seed: seed, stream: 1, index: index)
        if case .original = roll(&random, index) { return true }
        return false
    }

    /// In each 64 posts number 31 is an original, and 40 and 50 may be its second and third version.
    private func roll(_ random: inout SeededRandom, _ index: Int64) -> Roll {
        let number = random.below(100)
        switch index % 64 {
        case _ where index == 0: return .original
        case 31: return .original
        case 40 where number < 70: return .edit(of: index - 9)
        case 50 where number < 50 && kind(of: index - 10) == .edit(of: index - 19): return .edit(of: index - 10)
        default: break
        }
        switch number {
        case ..<45: return .original
        case ..<65: return .other { .repost(of: $0) }
        case ..<85: return .other { .reply(to: $0) }
        default: return .other { .quote(of: $0) }
        }
    }

    func post(_ index: Int64) -> Post {
        let kind = kind(of: index)
        switch kind {
        case .edit(let base): return edited(post(base), as: index)
        case .repost(let base): return reposted(post(base), as: index)
        default: return written(index, kind)
        }
    }

    private func edited(_ base: Post, as index: Int64) -> Post {
        var text = base.text
        text.append(" (fixed)")
        return Post(
            index: index, kind: .edit(of: base.index), author: base.author, language: base.language, text: text,
            longText: nil, media: base.media, pollLabels: [], place: base.place, hasPoint: base.hasPoint,
            isSensitive: base.isSensitive, history: base.history + [index])
    }

    private func reposted(_ base: Post, as index: Int64) -> Post {
        var random = SeededRandom(seed: seed, stream: 3, index: index)
        return Post(
            index: index, kind: .repost(of: base.index), author: person(&random), language: base.language,
            text: base.text.reposted(from: base.author), longText: nil, media: [], pollLabels: [], place: nil,
            hasPoint: false, isSensitive: base.isSensitive, history: [index])
    }

    private func written(_ index: Int64, _ kind: Post.Kind) -> Post {
        var random = SeededRandom(seed: seed, stream: 3, index: index)
        let author = person(&random)
        let book = random.pick(Phrasebook.all)
        let long =
            random.chance(perMille: 40) ? write(book, words: 60 + random.below(120), answering: nil, &random) : nil
        let answered: Person? = if case .reply(let base) = kind { post(base).author } else { nil }
        let isPoll = random.chance(perMille: 15)
        return Post(
            index: index, kind: kind, author: author, language: book.language,
            text: long?.cut(to: 274) ?? write(book, words: 4 + random.below(15), answering: answered, &random),
            longText: long.flatMap { $0.length > 274 ? $0 : nil },
            media: isPoll ? [] : media(index, &random),
            pollLabels: isPoll ? (0..<(2 + random.below(3))).map { "\(random.pick(book.words)) \($0 + 1)" } : [],
            place: random.chance(perMille: 60) ? random.below(Phrasebook.places.count) : nil,
            hasPoint: random.chance(perMille: 300), isSensitive: random.chance(perMille: 20), history: [index])
    }

    private func person(_ random: inout SeededRandom) -> Person {
        Person(random.below(people), seed: seed)
    }

    private func media(_ index: Int64, _ random: inout SeededRandom) -> [Post.Media] {
        guard random.chance(perMille: 180) else { return [] }
        let type = random.pick(["photo", "photo", "photo", "video", "animated_gif"])
        let prefix = type == "photo" ? 3 : type == "video" ? 7 : 16
        return (0..<(type == "photo" ? 1 + random.below(4) : 1)).map { number in
            Post.Media(
                key:
                    "\(prefix)_\(Snowflakes.id(at: Timestamp(milliseconds: 1_700_000_000_000 + index), sequence: Int64(number)))",
                type: type,
                altText: random.chance(perMille: 250) ? "a picture of “\(random.pick(Phrasebook.symbols))”" : nil)
        }
    }

    /// Words with an occasional hashtag, a mention, a link, a symbol, an ampersand or a line break between them.
    private func write(
        _ book: Phrasebook, words: Int, answering person: Person?, _ random: inout SeededRandom
    ) -> PostText {
        var text = PostText()
        if let person {
            text.appendMention(person)
            text.append(" ")
        }
        for word in 0..<words {
            if word > 0, book.hasSpaces { text.append(random.chance(perMille: 30) ? "\n" : " ") }
            text.append(random.pick(book.words))
            switch random.below(100) {
            case ..<6: text.append(" "); text.appendHashtag(random.pick(book.hashtags)); text.append(" ")
            case ..<9: text.append(" "); text.appendMention(self.person(&random)); text.append(" ")
            case ..<10: text.append(" "); text.appendCashtag(random.pick(Phrasebook.cashtags)); text.append(" ")
            case ..<18: text.append(" " + random.pick(Phrasebook.symbols))
            case ..<20: text.append(random.pick([" & ", " < ", " >> "]))
            default: break
            }
        }
        if random.chance(perMille: 350) {
            text.append(" ")
            text.appendLink(
                "https://t.co/" + random.code(10), to: "https://example.org/\(random.hex(8))?a=1&b=\(random.below(100))"
            )
        }
        return text
    }
}
