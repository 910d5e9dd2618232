import Testing

@testable import TweetLoader

@Suite("Names in Kafka's group", .timeLimit(.minutes(5)))
struct MemberNameTests {
    @Test(
        "consist of host, topic and number, in characters that Kafka accepts",
        arguments: [
            ("db-1.example", "db-1.example-tweets-2"), ("a_b", "a_b-tweets-2"), ("zürich 1", "z-rich-1-tweets-2"),
            ("", "-tweets-2"),
        ])
    func form(host: String, name: String) {
        #expect(MemberNames.name(host: host, topic: "tweets", number: 2) == name)
    }

    @Test("have at most 249 characters, and end with topic and number")
    func length() {
        let topic = String(repeating: "t", count: 240)
        let name = MemberNames.name(host: String(repeating: "h", count: 64), topic: topic, number: 256)
        #expect(name.utf8.count == 249)
        #expect(name.hasPrefix("h") && name.hasSuffix("-\(topic)-256"))
    }
}
