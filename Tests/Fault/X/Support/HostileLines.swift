/// Lines that no well-meaning server would send.
struct HostileLine {
    let name: String
    let bytes: [UInt8]

    init(_ name: String, _ text: String) {
        self.init(name, Array(text.utf8))
    }

    init(_ name: String, _ bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    /// A tweet of an id, whose text is given as bytes of JSON.
    private static func tweet(_ id: Int, text: [UInt8]) -> [UInt8] {
        Array(#"{"data":{"id":"18000000000000\#(10000 + id)","text":""#.utf8) + text + Array(#""}}"#.utf8)
    }

    /// Characters that text cannot hold, or must not.
    static let texts: [HostileLine] = [
        HostileLine("escaped NUL", tweet(1, text: Array(#"a\u0000b"#.utf8))),
        HostileLine("raw NUL", tweet(2, text: [97, 0, 98])),
        HostileLine("lone high surrogate", tweet(3, text: Array(#"a\ud83db"#.utf8))),
        HostileLine("lone low surrogate", tweet(4, text: Array(#"a\ude00b"#.utf8))),
        HostileLine("surrogates swapped", tweet(5, text: Array(#"\ude00\ud83d"#.utf8))),
        HostileLine("surrogate at the end", tweet(6, text: Array(#"a\ud83d"#.utf8))),
        HostileLine("stray continuation byte", tweet(7, text: [97, 0x80, 98])),
        HostileLine("cut sequence", tweet(8, text: [97, 0xf0, 0x9f, 0x98])),
        HostileLine("overlong slash", tweet(9, text: [0xc0, 0xaf])),
        HostileLine("overlong NUL", tweet(10, text: [0xc0, 0x80])),
        HostileLine("surrogate as UTF-8", tweet(11, text: [0xed, 0xa0, 0xbd])),
        HostileLine("beyond Unicode", tweet(12, text: [0xf4, 0x90, 0x80, 0x80])),
        HostileLine("byte order mark in front", [0xef, 0xbb, 0xbf] + tweet(13, text: [97])),
        HostileLine("byte order mark inside", tweet(14, text: [0xef, 0xbb, 0xbf, 97])),
        HostileLine("noncharacter", tweet(15, text: [0xef, 0xbf, 0xbf])),
        HostileLine("raw tab and vertical tab", tweet(16, text: [9, 11])),
        HostileLine("return inside", tweet(17, text: [97, 13, 98])),
    ]

    /// Shapes and numbers at and beyond the limits of parsers.
    static let shapes: [HostileLine] = [
        HostileLine("10,000 arrays", nested("[", "]", 10_000, id: 101)),
        HostileLine("10,000 objects", nested("{\"a\":", "}", 10_000, id: 102)),
        HostileLine("10,000 open brackets", String(repeating: "[", count: 10_000)),
        HostileLine("infinite number", numbers("1e999", id: 103)),
        HostileLine("number below all", numbers("-1e999", id: 104)),
        HostileLine("number of 1,000 digits", numbers(String(repeating: "9", count: 1000), id: 105)),
        HostileLine("number of no use", numbers("1e-999", id: 106)),
        HostileLine("not a number", numbers("NaN", id: 107)),
        HostileLine("count beyond 64 bits", numbers("9223372036854775808", id: 108)),
        HostileLine(
            "duplicate keys", #"{"data":{"id":"1800000000000010109","text":"a","text":"b","id":"1800000000000010109"}}"#
        ),
        HostileLine("two ids", #"{"data":{"id":"1800000000000010110","id":"1800000000000010111","text":"a"}}"#),
        HostileLine(
            "data twice", #"{"data":{"id":"1800000000000010112","text":"a"},"data":{"id":"1800000000000010112"}}"#),
        HostileLine("empty key", #"{"data":{"id":"1800000000000010113","text":"a","":1}}"#),
        HostileLine("id too long", #"{"data":{"id":"99999999999999999999","text":"a"}}"#),
        HostileLine("id beyond 63 bits", #"{"data":{"id":"9999999999999999999","text":"a"}}"#),
        HostileLine("negative id", #"{"data":{"id":"-1","text":"a"}}"#),
        HostileLine("id as a number", #"{"data":{"id":1800000000000010114,"text":"a"}}"#),
        HostileLine(
            "wrong types", #"{"data":{"id":"1800000000000010115","text":{"a":[1]},"public_metrics":[],"entities":7}}"#),
        HostileLine("cut", #"{"data":{"id":"1800000000000010116","te"#),
        HostileLine("two values", #"{"data":{"id":"1800000000000010117","text":"a"}} {}"#),
        HostileLine("nothing but space", "   "),
    ]

    private static func nested(_ open: String, _ close: String, _ depth: Int, id: Int) -> String {
        let value = String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        return #"{"data":{"id":"18000000000000\#(10000 + id)","text":"a","deep":\#(value)}}"#
    }

    private static func numbers(_ number: String, id: Int) -> String {
        #"{"data":{"id":"18000000000000\#(10000 + id)","text":"a","public_metrics":{"like_count":\#(number)}}}"#
    }
}
