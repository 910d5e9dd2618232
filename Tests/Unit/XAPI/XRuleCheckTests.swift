import TestSupport
import Testing
import XAPI

@Suite(.timeLimit(.minutes(5))) struct XRuleCheckTests {
    /// A rule of X's pages for every operator, and what is easily taken for a mistake.
    @Test(arguments: [
        "cat", "cat has:images", "\"grumpy cat\"", "\"grumpy cat\"~3", "#swift", "@XDevelopers", "$TWTR", "😻",
        "from:XDevelopers", "from:2244994945 -is:retweet", "to:swiftlang", "retweets_of:swiftlang",
        "from_affiliate_of:X", "to_affiliate_of:X", "url:\"https://swift.org\"", "url:swift",
        "context:10.799022225751871488", "context:47.*", "entity:\"Michael Jordan\"",
        "conversation_id:1334987486343299072", "bio:developer", "bio_name:\"the cat\"", "bio_location:Paris",
        "place:seattle", "place:fd70c22040963ac7", "place_country:FR", "point_radius:[2.355128 48.861118 16km]",
        "point_radius:[-41.287336 174.761070 20mi]".replacing("-41.287336 174.761070", with: "174.761070 -41.287336"),
        "point_radius:[2.35 48.86 40km]", "bounding_box:[-105.301758 39.964069 -105.178505 40.09455]",
        "cat is:reply", "cat is:quote is:verified", "cat -is:nullcast", "cat has:hashtags has:links", "cat has:geo",
        "cat has:video_link -has:cashtags", "cat sample:10", "cat lang:en", "cat lang:zh-TW",
        "cat url_title:feline", "cat url_description:\"big cat\"", "cat url_contains:photos", "cat min_followers:100",
        "cat followers_count:500..2000", "cat tweets_count:1000", "cat following_count:1..2", "cat listed_count:10",
        "cat in_reply_to_tweet_id:1539382664746020864", "cat retweets_of_tweet_id:1539382664746020864",
        "cat source:\"Twitter for iPhone\"", "snow day #NoSchool", "grumpy OR cat OR #meme", "cat #meme -grumpy",
        "(grumpy cat) OR (#meme has:images)", "skiing -snow -day -noschool", "(iphone ipad) OR (iphone ipad)",
        "(swiftlang OR #swift) lang:en -is:retweet", "(cat OR has:images) dog", "cat(dog OR bird)", "café", "猫",
        "\"say \\\"cat\\\"\"", "FROM:swiftlang", "cat -\"grumpy cat\"", "((cat))", "cat -from:dog",
    ])
    func takesWhatXTakes(_ rule: String) {
        let check = RuleCheck(rule, plan: .selfServe)
        #expect(check.mistakes == [], "\(rule)")
        #expect(check.expression != nil)
    }

    @Test(arguments: [
        ("", 1, "empty"), ("   ", 1, "empty"), ("\"cat", 1, "never closed"),
        ("cat \"dog has:images", 5, "never closed"),
        ("(cat OR dog", 1, "never closed"), ("cat) dog", 4, "closes nothing"), ("cat ()", 5, "nothing between"),
        ("cat \"\"", 5, "nothing between"), ("OR cat", 1, "before it"), ("cat OR", 5, "behind it"),
        ("cat OR OR dog", 8, "before it"), ("(OR cat)", 2, "before it"), ("-cat", 1, "needs a positive term"),
        ("-cat -dog", 1, "only excludes"), ("cat OR -dog", 8, "side of OR"), ("cat -(dog OR bird)", 5, "as a whole"),
        ("cat - dog", 5, "stands alone"), ("cat --dog", 5, "stands alone"), ("has:images", 1, "cannot stand alone"),
        ("has:images lang:en", 1, "cannot stand alone"), ("cat OR has:images", 8, "cannot stand alone"),
        ("(has:links OR cat) lang:en", 1, "cannot stand alone"), ("lang:en -cat", 1, "cannot stand alone"),
        ("cat http://swift.org", 5, "url:"), ("cat :)", 5, "without an operator's name"),
        ("cat -sample:10", 5, "cannot be left out"), ("cat sample:0", 12, "1 to 100"),
        ("cat sample:101", 12, "1 to 100"),
        ("cat is:nullcast", 5, "-is:nullcast"), ("\"a b\"~7", 6, "1 to 6"), ("\"a b\"~", 6, "1 to 6"),
        ("cat followers_count:9..1", 21, "begins above"), ("cat followers_count:x", 21, "a number or a range"),
        ("cat followers_count:1..2..3", 21, "a number or a range"), ("cat min_followers:-1", 19, "whole number"),
        ("point_radius:[200 48 1km]", 14, "longitude"), ("point_radius:[2 95 1km]", 14, "latitude"),
        ("point_radius:[2 48]", 14, "radius"), ("point_radius:2", 14, "radius"), ("point_radius:[2 48 1km", 14, "'['"),
        ("bounding_box:[3 48 2 49]", 14, "west to east"), ("bounding_box:[1 2 3]", 14, "north"),
        ("from:@swiftlang", 6, "without '@'"), ("from:swift-lang", 6, "neither"), ("from:", 1, "has no value"),
        ("conversation_id:abc", 17, "digits"), ("context:10", 9, "domain"), ("entity:cat", 8, "quotation marks"),
        ("cat lang:english!", 10, "language code"), ("cat place_country:FRA", 19, "two letters"),
        ("cat # dog", 5, "alone"),
        ("cat and dog", 5, "a space means and"), ("cat or dog", 5, "OR"),
        ("cat \u{201c}dog\u{201d}", 5, "quotation mark"),
        ("cat\"dog\"", 4, "within a word"), ("\"cat\"dog", 6, "space is missing"), ("@swift-lang", 1, "user's name"),
    ])
    func tellsWhereAndWhat(_ rule: String, column: Int, text: String) throws {
        let check = RuleCheck(rule, plan: .selfServe)
        let mistake = try #require(check.mistakes.first, "\(rule) is taken")
        #expect(mistake.column == column, "\(rule): \(mistake.text)")
        #expect(mistake.text.contains(text), "\(rule): \(mistake.text)")
    }

    @Test func findsAllMistakesAtOnce() {
        let check = RuleCheck("cat hass:images -(dog) lang:?? \"bird", plan: .selfServe)
        #expect(check.mistakes.map(\.column) == [17, 29, 32])
        #expect(check.doubts.map(\.column) == [5])
    }

    @Test func countsCodePoints() {
        #expect(RuleCheck(String(repeating: "猫", count: 1024), plan: .selfServe).isValid)
        let long = String(repeating: "a", count: 1025)
        #expect(RuleCheck(long, plan: .selfServe).mistakes.map(\.place) == [1024..<1025])
        #expect(RuleCheck(long, plan: .enterprise).isValid)
        // A family emoji is one character for a reader and seven code points.
        #expect(RuleCheck("👨‍👩‍👧‍👦", plan: .selfServe).length == 7)
    }

    @Test func knowsWhatOnlyEnterpriseHas() {
        #expect(RuleCheck("embedding:\"cats at play\"", plan: .enterprise).isValid)
        #expect(
            RuleCheck("embedding:\"cats at play\"", plan: .selfServe).mistakes.first?.text.contains("X_PLAN") == true)
        #expect(!RuleCheck("cat -embedding:\"dogs\"", plan: .enterprise).isValid)
    }

    @Test(arguments: [
        ("coca-cola", "splits words"), ("cat AND dog", "a space alone"), ("cat lang:id", "in"), ("cat lang:he", "iw"),
        ("url:swift.org", "quotation marks"), ("point_radius:[2 48 90km]", "25mi"),
        ("bounding_box:[1 1 3 3]", "25mi"), ("cat NOT dog", "'-'"),
        ("cat hass:images", "did you mean 'has:'"), ("cat zzz:1", "'zzz:' is not in the list"),
        ("cat is:retwet", "did you mean 'is:retweet'"), ("cat has:everything", "known are hashtags"),
        ("has_reach:10", "X decides"), ("in_reply_to_tweet_id:1", "stand alone"), ("zzz:1 lang:en", "X decides"),
        ("retweets_of_status_id:1539382664746020864 lang:en", "stand alone"), ("min_followers:5", "stand alone"),
        ("a OR b c OR d", "means a OR (b c) OR d"), ("cat (a b OR \"c d\")", "means (a b) OR \"c d\""),
        ("猫 -犬 OR 鳥", "means (猫 -犬) OR 鳥"),
    ])
    func doubtsWhatIsProbablyNotMeant(_ rule: String, text: String) throws {
        let check = RuleCheck(rule, plan: .selfServe)
        #expect(check.isValid, "\(rule)")
        #expect(try #require(check.doubts.first).text.contains(text))
    }

    /// X has more than one name for some operators, and keeps rules for years.
    @Test(arguments: [
        "kitten has:videos", "kitten has:media_link", "retweets_of_user:nasa", "kitten user_bio:developer",
        "kitten user_bio_location:nyc", "kitten geo_bounding_box:[-105.301758 39.964069 -105.178505 40.09455]",
        "kitten statuses_count:1000", "kitten friends_count:500", "kitten user_in_lists_count:10",
        "kitten within_url_title:snow", "kitten within_url_description:weather",
        "kitten in_reply_to_status_id:1539382664746020864", "kitten retweets_of_status_id:1539382664746020864",
    ])
    func knowsTheOtherNamesOfOperators(_ rule: String) {
        let check = RuleCheck(rule, plan: .selfServe)
        #expect(check.mistakes.isEmpty && check.doubts.isEmpty, "\(check.mistakes + check.doubts)")
    }

    @Test(arguments: ["a OR (b c) OR d", "(a OR b) c", "a b c", "a OR b OR c", "\"a OR b c\"", "a OR has:images"])
    func saysNothingAboutPartsThatAreNotMixed(_ rule: String) {
        #expect(!RuleCheck(rule, plan: .selfServe).doubts.contains { $0.text.hasPrefix("means ") })
    }

    @Test func pointsAtTheMistake() throws {
        let rule = "猫 hass:images dog"
        let mistake = try #require(RuleCheck(rule, plan: .selfServe).doubts.first)
        #expect(mistake.excerpt(of: rule) == "  猫 hass:images dog\n     ^~~~~~~~~~~")
        let long = String(repeating: "cat ", count: 50) + "\"dog " + String(repeating: "x ", count: 50)
        let excerpt = try #require(RuleCheck(long, plan: .selfServe).mistakes.first).excerpt(of: long)
        let lines = excerpt.split(separator: "\n")
        let caret = try #require(lines[1].firstIndex(of: "^"))
        #expect(Array(lines[0])[lines[1].distance(from: lines[1].startIndex, to: caret)] == "\"")
        #expect(lines[0].count < 120)
    }

    @Test func bindsSpacesTighterThanOR() throws {
        guard case .any(let parts)? = RuleCheck("a b OR c d", plan: .selfServe).expression else {
            Issue.record("not an OR")
            return
        }
        #expect(parts.map(\.terms.count) == [2, 2])
    }

    /// Any text is judged without a crash, and every place lies within the text.
    @Test func judgesAnything() {
        var random = SplitMix64(seed: 20_261_121)
        let pieces = [
            "(", ")", "\"", "-", "OR", " ", ":", "[", "]", "~", "#", "@", "$", "\\", "cat", "has:", "images", "from:",
            "sample:", "9", "..", ".", "-is:nullcast", "\u{201c}", "\n", "\0", "猫", "👨‍👩‍👧", "\u{301}", "point_radius:[",
            "bounding_box:[1 2 3 4]", "embedding:\"", "99999999999999999999", "and",
        ]
        for _ in 0..<5000 {
            let count = Int.random(in: 0..<30, using: &random)
            let rule = (0..<count).compactMap { _ in pieces.randomElement(using: &random) }.joined()
            expectSound(rule)
        }
        for count in [1000, 4096, 100_000] {
            expectSound(String(repeating: "(", count: count))
            expectSound(String(repeating: "-", count: count))
            expectSound(String(repeating: "(cat ", count: count / 8))
            expectSound(String(repeating: "\"", count: count + 1))
        }
    }

    private func expectSound(_ rule: String) {
        let check = RuleCheck(rule, plan: .enterprise)
        let length = rule.unicodeScalars.count
        for finding in check.mistakes + check.doubts {
            if finding.place.lowerBound > length || finding.place.upperBound > length || finding.text.isEmpty {
                Issue.record("\(rule.debugDescription): \(finding)")
            }
            _ = finding.excerpt(of: rule)
        }
        if check.isValid && check.expression == nil { Issue.record("\(rule.debugDescription) is neither") }
    }
}
