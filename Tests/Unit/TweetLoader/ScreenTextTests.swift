import Testing

@testable import TweetLoader

/// Text from topics and databases on a terminal.
@Suite(.timeLimit(.minutes(5))) struct ScreenTextTests {
    @Test(
        "nothing in a text reaches the terminal but what it shows",
        arguments: [
            ("plain text", "plain text"), ("a\u{1B}[2Jb", "a[U+001B][2Jb"), ("a\u{9B}31mb", "a[U+009B]31mb"),
            ("a\nb\tc\r", "a[U+000A]b[U+0009]c[U+000D]"), ("a\u{0}b\u{7F}", "a[U+0000]b[U+007F]"),
            ("\u{202E}evil\u{2066}", "[U+202E]evil[U+2066]"), ("a\u{2028}b\u{FEFF}", "a[U+2028]b[U+FEFF]"),
            ("\u{E000}\u{10FFFF}", "[U+E000][U+10FFFF]"), ("\u{1F1E9}\u{1F1EA}", "DE"),
            ("👩\u{200D}👧 ☂\u{FE0F} 👍🏽", "👩👧 ☂ 👍"), ("e\u{301}\u{302}\u{303}\u{304}x", "e\u{301}\u{302}x"),
            ("\u{301}a", "a"), ("", ""),
        ])
    func escaping(source: String, shown: String) {
        let text = ScreenText(source).text
        #expect(Array(text.unicodeScalars) == Array(shown.unicodeScalars), "\(text)")
    }

    @Test(
        "the width is that of the terminal",
        arguments: [
            ("abc", 3), ("日本語", 6), ("한국어", 6), ("\u{1112}\u{1161}\u{11AB}", 2), ("ｶﾅ", 2), ("ＡＢ", 4), ("😀!", 3),
            ("☂", 1), ("⌚", 2), ("é", 1), ("e\u{301}", 1), ("ア", 2), ("…", 1), ("▁█", 2), ("", 0),
        ])
    func width(source: String, columns: Int) {
        #expect(ScreenText(source).width == columns)
    }

    @Test("a text is cut between characters, and never wider than asked for")
    func cutting() {
        #expect(ScreenText("abcdef", columns: 6).text == "abcdef")
        #expect(ScreenText("abcdefg", columns: 6).text == "abcde…")
        #expect(ScreenText("日本語", columns: 6).text == "日本語")
        #expect(ScreenText("日本語!", columns: 6).text == "日本…")
        #expect(ScreenText("abc", columns: 1).text == "…")
        #expect(ScreenText("abc", columns: 0) == ScreenText(""))
        let flood = "a" + String(repeating: "\u{301}", count: 1_000_000)
        #expect(ScreenText(flood).text.unicodeScalars.count == 3)
        for columns in 0..<20 {
            for text in ["日本語 text 👍 e\u{301}", "[U+\u{1B}]\u{202E}日\u{301}\u{301}", "ab"] {
                let cut = ScreenText(text, columns: columns)
                #expect(cut.width <= columns && cut.width == ScreenText(cut.text).width, "\(text) in \(columns)")
            }
        }
    }

    /// The characters that take two columns: `unicodedata.east_asian_width` is W or F (Python 3.11, Unicode 14), as far as assigned.
    private static let wide = """
        1100-115F 231A-231B 2329-232A 23E9-23EC 23F0 23F3 25FD-25FE 2614-2615 2648-2653 267F 2693 26A1 26AA-26AB
        26BD-26BE 26C4-26C5 26CE 26D4 26EA 26F2-26F3 26F5 26FA 26FD 2705 270A-270B 2728 274C 274E 2753-2755 2757
        2795-2797 27B0 27BF 2B1B-2B1C 2B50 2B55 2E80-303E 3041-3247 3250-4DBF 4E00-A4C6 A960-A97C AC00-D7A3
        F900-FAD9 FE10-FE19 FE30-FE6B FF01-FF60 FFE0-FFE6 16FE0-1B2FB 1F004 1F0CF 1F18E 1F191-1F19A 1F200-1F320
        1F32D-1F335 1F337-1F37C 1F37E-1F393 1F3A0-1F3CA 1F3CF-1F3D3 1F3E0-1F3F0 1F3F4 1F3F8-1F43E 1F440 1F442-1F4FC
        1F4FF-1F53D 1F54B-1F54E 1F550-1F567 1F57A 1F595-1F596 1F5A4 1F5FB-1F64F 1F680-1F6C5 1F6CC 1F6D0-1F6D2
        1F6D5-1F6DF 1F6EB-1F6EC 1F6F4-1F6FC 1F7E0-1F7F0 1F90C-1F93A 1F93C-1F945 1F947-1F9FF 1FA70-1FAF6 20000-3134A
        """

    @Test("the characters of two columns are those of Unicode 14")
    func wideCharacters() throws {
        var wide = Set<UInt32>()
        for range in Self.wide.split(whereSeparator: \.isWhitespace) {
            let ends = range.split(separator: "-").compactMap { UInt32($0, radix: 16) }
            wide.formUnion(try #require(ends.first)...(try #require(ends.last)))
        }
        // Joined to what is before them, or left out, or wide only since Unicode 16.
        let special: [ClosedRange<UInt32>] = [0x1160...0x11FF, 0x1F1E6...0x1F1FF, 0x1F3FB...0x1F3FF, 0x4DC0...0x4DFF]
        var wrong: [String] = []
        for value in 0xA0...0x3FFFD as ClosedRange<UInt32> where !special.contains(where: { $0.contains(value) }) {
            guard let scalar = Unicode.Scalar(value), case .visible(let width) = ScalarShape(scalar),
                scalar.properties.age.map({ $0.major <= 14 }) ?? false
            else { continue }
            if (width == 2) != wide.contains(value) { wrong.append(String(value, radix: 16)) }
        }
        #expect(wrong == [])
    }
}
