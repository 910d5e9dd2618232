import Testing

@testable import Core

@Suite(.timeLimit(.minutes(5))) struct PercentEncodingTests {
    /// RFC 3986, section 2.3: these stay; everything else is encoded, with digits in upper case (section 2.1).
    @Test func onlyUnreservedCharactersStay() {
        let unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
        #expect(percentEncoded(unreserved) == unreserved)
        #expect(
            percentEncoded(" /:?#[]@!$&'()*+,;=%") == "%20%2F%3A%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25")
        #expect(percentEncoded("é\n\u{0}") == "%C3%A9%0A%00")
        #expect(percentEncoded("a b/c", keeping: UInt8(ascii: "/")) == "a%20b/c")
    }

    @Test func theFirstLineFeedIsFound() {
        func place(_ text: String) -> Int? {
            unsafe Array(text.utf8).withBytes { (bytes) -> Int? in unsafe bytes.firstLineFeed }
        }
        #expect(place("a\nb\n") == 1 && place("\n") == 0 && place("ab\r") == nil && place("") == nil)
    }
}
