import Testing

@testable import TweetLoader

/// Row F95, as far as escaping goes: whatever a text holds, it is text.
@Suite(.timeLimit(.minutes(5))) struct HTMLTests {
    @Test(
        "a character that HTML needs is escaped, also before a combining mark",
        arguments: ["", "\u{0301}", "\u{200D}", "\u{FE0F}", "\u{20E3}", "\u{1F3FD}"])
    func combiningMarks(mark: String) {
        for (character, reference) in [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")] {
            let text = "a" + character + mark + "b"
            let html: HTML = "\(text)|\(value: text)"
            #expect(
                html.text.unicodeScalars.elementsEqual(
                    "a\(reference)\(mark)b|a\(reference)\(mark)b".unicodeScalars))
        }
    }

    @Test func directionIsShownAndNotObeyed() {
        let text = "a\u{202E}b\u{2066}c\u{200F}d\u{061C}e\u{2069}f\u{202A}"
        #expect(HTML(text: text).text == "a[U+202E]b[U+2066]c[U+200F]d[U+061C]e[U+2069]f[U+202A]")
        // In a form it stays what was entered.
        let value: HTML = "\(value: "a\u{202E}b")"
        #expect(value.text == "a\u{202E}b")
    }

    @Test func controlsAreShown() {
        #expect(
            HTML(text: "a\u{0}b\u{7}c\u{1B}d\u{7F}e\u{85}f\rg").text
                == "a[U+0000]b[U+0007]c[U+001B]d[U+007F]e[U+0085]f[U+000D]g")
        #expect(HTML(text: "a\tb\nc\u{2028}d").text == "a\tb\nc\u{2028}d")
        let value: HTML = "\(value: "a\u{0}b")"
        #expect(value.text == "a\u{FFFD}b")
    }

    @Test func everyScalarOfThePlaneStaysText() {
        let special = Set("<>\"'".utf8)
        let wrong = (UInt32(0)...0xFFFF).compactMap { Unicode.Scalar($0) }.filter { scalar in
            let bytes = HTML(text: String(scalar)).bytes
            return bytes.contains { special.contains($0) } || String(validating: bytes, as: UTF8.self) == nil
        }
        #expect(wrong == [])
    }

    @Test func markupIsNotEscapedTwice() {
        let inner: HTML = "<b>\("<&>")</b>"
        let outer: HTML = "<p>\(inner)\(3)\([inner, inner].joined(", "))</p>"
        #expect(outer.text == "<p><b>&lt;&amp;&gt;</b>3<b>&lt;&amp;&gt;</b>, <b>&lt;&amp;&gt;</b></p>")
        #expect(HTML.foreign("x\"y").text == "<bdi dir=\"auto\">x&quot;y</bdi>")
    }
}
