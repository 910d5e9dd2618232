import Core
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Export: rows of a table", .timeLimit(.minutes(5)))
struct TableWriterTests {
    /// The row of a tweet, without its line end.
    private func row(
        _ line: String, _ columns: String, id: Int64 = 5, receipt: FlatTweet.Receipt = .init(),
        form: TableForm = TableForm()
    ) throws -> String {
        var form = form
        form.columns = try #require(ExportColumn.columns(columns))
        var writer = TableWriter(form)
        var bytes: [UInt8] = []
        var parser = LineParser()
        try unsafe Array(line.utf8).withUnsafeBytes { line in
            let tweet = try #require(FlatTweet(id, in: try unsafe parser.parse(line), receipt))
            writer.append(tweet, to: &bytes)
        }
        return String(decoding: bytes.dropLast(), as: UTF8.self)
    }

    private func line(_ data: String, includes: String = "") -> String {
        #"{"data":{"id":"5"\#(data.isEmpty ? "" : ",")\#(data)},"includes":{\#(includes)},"matching_rules":[{"id":"1","tag":"a"}]}"#
    }

    @Test(
        "the columns are those of twarc-csv, by name and in its order, and a wrong name is an error with the nearest one"
    )
    func columns() {
        #expect(ExportColumn.twarc.count == 84)
        #expect(Set(ExportColumn.all.map(\.name)).count == ExportColumn.all.count)
        #expect(ExportColumn.twarc.first?.name == "id" && ExportColumn.twarc.last?.name == "__twarc.version")
        #expect((ExportColumn.columns("core")?.count ?? 0) > 15)
        #expect(ExportColumn.columns("id,nothing") == nil)
        #expect(ExportColumn.unknown(in: "id,langg").map { "\($0.name) \($0.nearest ?? "")" } == "langg lang")
    }

    @Test(
        "quotation marks are doubled, line ends and commas stay within quotes, null is nothing and empty text is two quotes"
    )
    func quoting() throws {
        let text = #""text":"a \"b\",\r\nc","lang":"","source":null"#
        #expect(try row(line(text), "text,lang,source,created_at") == "\"a \"\"b\"\",\r\nc\",\"\",,")
        var form = TableForm()
        form.newlines = .escape
        #expect(try row(line(text), "text", form: form) == #""a ""b"",\nc""#)
    }

    @Test("text that was altered, control characters and other scripts are written as they are stored")
    func hostileText() throws {
        let stored = "\u{FFFD} \u{1} \u{1F600} ‮e\u{301}"
        let escaped = #""text":"\ufffd \u0001 \ud83d\ude00 ‮e\u0301","entities":{"hashtags":[{"tag":"a\"\\\n\u0001"}]}"#
        #expect(
            try row(line(escaped), "text,entities.hashtags")
                == "\"\(stored)\",\"[\"\"#a\\\"\"\\\\\\n\\u0001\"\"]\"")
        // A lone surrogate and a NUL escape, as a line has them that was not stored: they become U+FFFD.
        #expect(try row(line(#""text":"\ud800\u0000""#), "text") == "\"\u{FFFD}\u{FFFD}\"")
    }

    @Test("a repost has text, entities and counts of its original, and the references of its own")
    func repost() throws {
        let data = """
            "text":"RT @b: cut","author_id":"7","referenced_tweets":[{"type":"retweeted","id":"4"}],\
            "public_metrics":{"like_count":0},"entities":{"hashtags":[{"tag":"own"}]}
            """
        let includes = """
            "tweets":[{"id":"4","text":"whole &amp; all","author_id":"8","public_metrics":{"like_count":9}}],\
            "users":[{"id":"7","username":"a"},{"id":"8","username":"b"}]
            """
        #expect(
            try row(
                line(data, includes: includes),
                "text,full_text,public_metrics.like_count,entities.hashtags,retweeted_user_id,retweeted_username,kind,"
                    + "author.username")
                == ##""whole &amp; all","whole & all","9","[""#own""]","8","b","repost","a""##)
        // The same without the original: what the repost has itself.
        #expect(
            try row(line(data), "text,public_metrics.like_count,retweeted_user_id,referenced_tweets.retweeted.id")
                == #""RT @b: cut","0",,"4""#)
    }

    @Test("entities, media, polls and places are put together from the includes")
    func includes() throws {
        let data = """
            "geo":{"place_id":"p","coordinates":{"type":"Point","coordinates":[-73.5,40]}},\
            "attachments":{"media_keys":["3_1","3_2"],"poll_ids":["6"]},"possibly_sensitive":false,\
            "entities":{"mentions":[{"username":"A"}],"cashtags":[{"tag":"X"}],\
            "urls":[{"url":"u","expanded_url":"e"},{"url":"v"},{"url":"w","display_url":"d","media_key":"3_1"}]}
            """
        let includes = """
            "media":[{"media_key":"3_1","width":4}],"polls":[{"id":"6","options":[{"votes":1}],"voting_status":"open"}],\
            "places":[{"id":"p","full_name":"Manhattan","geo":{"bbox":[1,2.5],"type":"Feature"}}]
            """
        #expect(
            try row(
                line(data, includes: includes),
                "geo.coordinates.coordinates,geo.full_name,geo.geo.bbox,geo.id,attachments.media,attachments.poll.options,"
                    + "attachments.poll.voting_status,possibly_sensitive,entities.mentions,entities.cashtags,entities.urls"
            )
                == #""[-73.5,40]","Manhattan","[1,2.5]","p","[{""media_key"":""3_1"",""width"":4},{}]","[{""votes"":1}]","open","#
                + #""False","[""@A""]","[""$X""]","[""e"",""v"",""d""]""#)
    }

    @Test("for spreadsheets ids keep their digits and no text is a formula")
    func spreadsheets() throws {
        var form = TableForm()
        form.isForSpreadsheets = true
        let id: Int64 = 2_110_521_085_391_798_273
        for text in ["=1+1", "+1", "-1", "@a", "\\t=1", "＝1"] {
            let line = #"{"data":{"id":"\#(id)","text":"\#(text)","public_metrics":{"like_count":-3}}}"#
            let shown = text.replacing("\\t", with: "\t")
            #expect(
                try row(line, "id,text,public_metrics.like_count", id: id, form: form)
                    == #""=""\#(id)""","'\#(shown)","-3""#)
        }
        #expect(TableWriter(form).header.starts(with: [0xEF, 0xBB, 0xBF]))
        // An id that is no number is text, and so may be a formula.
        let odd = line(#""conversation_id":"=1""#)
        #expect(try row(odd, "conversation_id", form: form) == #""'=1""#)
    }

    private static let talk = """
        "text":"@Bob hi ＠carol, a@bob.com","author_id":"7","in_reply_to_user_id":"8",\
        "entities":{"mentions":[{"username":"bob","id":"8"}],\
        "urls":[{"expanded_url":"https://x.com/Bob/status/1"},{"expanded_url":"https://netflix.com/bob"},\
        {"expanded_url":"https://twitter.com/i/web/status/1"}]}
        """
    private static let alice =
        #""users":[{"id":"7","username":"alice","name":"Alice A.","description":"me","location":"x"}]"#
    private static let names = "author_id,author.username,in_reply_to_user_id,text,entities.mentions,entities.urls"

    @Test("pseudonyms are the same for id and handle, within one export only, and whatever describes the user is empty")
    func pseudonyms() throws {
        var form = TableForm()
        form.redaction = .pseudonyms
        let line = line(Self.talk, includes: Self.alice)
        let row1 = try row(line, Self.names + ",author.name,author.description,author.location", form: form)
        for name in ["lice", "Bob hi", "@bob", "carol", "\"7\"", "\"8\"", "x.com/Bob"] {
            #expect(!row1.contains(name), "\(row1)")
        }
        let cells = row1.split(separator: "\",\"").map(String.init)
        let (alice, bob) = (cells[0].dropFirst(), cells[2])
        #expect(alice.count == 17 && cells[1] == alice && alice != bob)
        #expect(cells[3].hasPrefix("@\(bob) hi ＠u"))
        #expect(cells[4] == #"[""@\#(bob)""]"#)
        #expect(cells[5].contains("https://x.com/\(bob)/status/1"))
        #expect(row1.contains("https://netflix.com/bob") && row1.contains("https://twitter.com/i/web/status/1"))
        #expect(row1.hasSuffix(",,,"))
        #expect(
            try row(line, Self.names, form: form) != row(line, Self.names, form: form), "the key is drawn each time")
    }

    @Test("removed users leave nothing but a word for each mention")
    func removal() throws {
        var form = TableForm()
        form.redaction = .remove
        #expect(
            try row(line(Self.talk, includes: Self.alice), Self.names, form: form)
                == #",,,"@user hi ＠user, a@user.com","[""@user""]","[""https://x.com/user/status/1"",""https://netflix.com/bob"","#
                + #"""https://twitter.com/i/web/status/1""]""#)
    }

    @Test("progress shows the time left by the share of the way")
    func progress() {
        #expect(
            ExportProgress.text(share: 0.25, tweets: 12_000, elapsed: .seconds(10))
                == "12,000 tweets, 1,200 a second, 25 %, \(Duration.seconds(30).short) left")
    }
}
