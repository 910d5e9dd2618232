import Core
import Foundation
import Sandbox
import Testing

@Suite("TweetGenerator", .timeLimit(.minutes(4)))
struct TweetGeneratorTests {
    private let rules = [
        StreamRule(id: "1", value: "coffee #coffee", tag: "coffee"), StreamRule(id: "2", value: "lang:ja", tag: nil),
    ]

    @Test("the same seed and index give the same bytes, another seed or index others")
    func isDeterministic() {
        let first = TweetGenerator(seed: 7)
        let second = TweetGenerator(seed: 7)
        for index in stride(from: Int64(500), to: 0, by: -1) {
            #expect(first.line(index, rules: rules) == second.line(index, rules: rules))
        }
        #expect(first.line(5) != first.line(6))
        #expect(first.line(5) != TweetGenerator(seed: 8).line(5))
    }

    @Test("ids carry time and index")
    func ids() {
        let generator = TweetGenerator(seed: 1, start: Timestamp(milliseconds: 1_790_000_000_000))
        for index in [Int64(0), 1, 4_194_303] {
            let id = generator.id(of: index)
            #expect(TweetGenerator.index(ofID: id) == index)
            #expect((id >> 22) + 1_288_834_974_657 == 1_790_000_000_000 + 4 * index)
        }
    }

    @Test("posts of streams that run at once never have the same id, be they made in the same millisecond")
    func idsOfStreams() {
        let moment = Timestamp(milliseconds: 1_790_000_000_000)
        let ids = (Int64(0)...3).flatMap { stream in
            let generator = TweetGenerator(seed: 1, stream: stream) { _ in moment }
            return (Int64(0)..<100).map(generator.id(of:))
        }
        #expect(Set(ids).count == 400)
    }

    @Test("each line is JSON without a line end, and entity offsets slice code points")
    func entities() throws {
        let generator = TweetGenerator(seed: 3)
        var checked = 0
        for index in Int64(0)..<2000 {
            let data = try tweet(generator.line(index, rules: rules))
            checked += try checkEntities(data["entities"], of: data["text"])
            let note = data["note_tweet"] as? [String: Any]
            if let note { checked += try checkEntities(note["entities"], of: note["text"]) }
        }
        #expect(checked > 1000)
    }

    @Test("the world has what X's has")
    func variety() throws {
        let generator = TweetGenerator(seed: 1)
        var languages: Set<String> = []
        var kinds: [String: Int] = [:]
        var bytes = 0
        for index in Int64(0)..<2000 {
            let line = generator.line(index, rules: rules)
            bytes += line.count
            #expect(!line.contains(10) && !line.contains(13))
            let object = try object(line)
            let data = try tweet(line)
            languages.insert(try #require(data["lang"] as? String))
            for key in ["note_tweet", "geo", "attachments"] where data[key] != nil { kinds[key, default: 0] += 1 }
            for reference in data["referenced_tweets"] as? [[String: String]] ?? [] {
                kinds[reference["type"] ?? "", default: 0] += 1
            }
            if try #require(data["edit_history_tweet_ids"] as? [String]).count > 1 { kinds["edit", default: 0] += 1 }
            let includes = try #require(object["includes"] as? [String: Any])
            for key in includes.keys { kinds["includes." + key, default: 0] += 1 }
            #expect(!(object["matching_rules"] as? [Any] ?? []).isEmpty)
            if line.contains(where: { $0 > 127 }) == false { kinds["ascii", default: 0] += 1 }
        }
        #expect(languages.count == Set(Self.languages).count && languages == Set(Self.languages))
        for kind in [
            "note_tweet", "geo", "attachments", "replied_to", "quoted", "retweeted", "edit", "includes.users",
            "includes.tweets", "includes.media", "includes.places", "includes.polls", "ascii",
        ] {
            #expect(kinds[kind, default: 0] > 0, "no \(kind)")
        }
        let mean = bytes / 2000
        #expect((1500...2500).contains(mean), "\(mean) bytes a line")
    }

    @Test("an edit chain ends in its own id and begins with the same tweet's")
    func editChains() throws {
        let generator = TweetGenerator(seed: 1)
        var chains = 0
        for index in stride(from: Int64(40), to: 4000, by: 64) {
            let history = try #require(tweet(generator.line(index))["edit_history_tweet_ids"] as? [String])
            #expect(history.last == String(generator.id(of: index)))
            guard history.count > 1 else { continue }
            chains += 1
            #expect(history[0] == String(generator.id(of: index - 9)))
        }
        #expect(chains > 10)
    }

    private static let languages = [
        "en", "ja", "es", "pt", "ar", "de", "fr", "hi", "th", "zh", "ko", "tr", "in", "iw", "ru",
    ]

    private func object(_ line: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    }

    private func tweet(_ line: [UInt8]) throws -> [String: Any] {
        try #require(try object(line)["data"] as? [String: Any])
    }

    /// Slices the text by every entity's offsets and compares with what the entity says is there.
    private func checkEntities(_ value: Any?, of text: Any?) throws -> Int {
        let entities = try #require(value as? [String: [[String: Any]]])
        let scalars = Array(try #require(text as? String).unicodeScalars)
        var count = 0
        for (kind, prefix, key) in [
            ("hashtags", "#", "tag"), ("cashtags", "$", "tag"), ("mentions", "@", "username"), ("urls", "", "url"),
        ] {
            for entity in entities[kind] ?? [] {
                let start = try #require(entity["start"] as? Int)
                let end = try #require(entity["end"] as? Int)
                #expect(end <= scalars.count)
                let slice = String(String.UnicodeScalarView(scalars[start..<min(end, scalars.count)]))
                #expect(slice == prefix + (entity[key] as? String ?? "?"))
                count += 1
            }
        }
        return count
    }
}
