import Testing

@testable import Core
@testable import KafkaClient

@Suite(.timeLimit(.minutes(5))) struct KafkaPropertiesTests {
    @Test func javaStyleFilesAreRead() throws {
        let text = """
            # a comment
            ! another
            bootstrap.servers=a:1,b:2
            acks : all
            client.id  spaced
            ssl.ca.location = /etc/ssl/\\
                certs.pem
            empty=
            """
        let found = try KafkaProperties.parse(text, file: "f").mapValues(\.value)
        #expect(
            found == [
                "bootstrap.servers": "a:1,b:2", "acks": "all", "client.id": "spaced",
                "ssl.ca.location": "/etc/ssl/certs.pem", "empty": "",
            ])
    }

    /// What `java.util.Properties` stores and loads (its documentation, `load(Reader)`).
    @Test(arguments: [
        ("bootstrap.servers=127.0.0.1\\:19092", "bootstrap.servers", "127.0.0.1:19092"),
        ("sasl.password=p\\\\ss\\:w ", "sasl.password", "p\\ss:w "),
        ("client.id=caf\\u00E9\\=\\#1", "client.id", "café=#1"),
        ("a=\\u0073ecret\\!", "a", "secret!"), ("a = \\ b\\tc\\nd\\re\\ff", "a", " b\tc\nd\re\u{c}f"),
        ("a\\ b\\:c\\=d=e", "a b:c=d", "e"), ("a=\\ud83d\\ude00", "a", "😀"), ("a : = b", "a", "= b"),
        ("\u{c}a\t\u{c}b", "a", "b"),
        ("a=x\\\n   y\\\r\n\tz", "a", "xyz"), ("a=x\\\\\nb=c", "a", "x\\"), ("a=x\\\n#y", "a", "x#y"),
        ("a=b\rc=d", "a", "b"),
        ("a=\\q\\'\\\"", "a", "q'\""), ("a=x\u{a0}", "a", "x\u{a0}"), ("a==b", "a", "=b"), ("a b=c", "a", "b=c"),
    ])
    func escapesAreThoseOfJava(text: String, name: String, value: String) throws {
        #expect(try KafkaProperties.parse(text, file: "f")[name]?.value == value)
    }

    @Test func anEscapeThatIsNoneIsNamed() {
        for text in ["a=\\u00g1", "a=\\u12", "\\u=b"] {
            let failure = #expect(throws: KafkaClientError.self) {
                try KafkaProperties.parse("x=y\n" + text, file: "f")
            }
            #expect(failure?.description.hasPrefix("f:2: ") == true)
        }
    }

    @Test(arguments: [
        "kafka://u:S3cret@h:9092", "http://h:9092", "h:port", "h:9092,i:99999", "h:0", "a b:1", "127.0.0.1\\:1",
    ])
    func brokersThatCannotBeHostAndPortAreASettingsError(servers: String) throws {
        var reader = try SettingsReader(
            flags: ["KAFKA_BOOTSTRAP_SERVERS": servers], configFile: nil, known: [], environment: [:])
        _ = KafkaSettings.configuration(&reader)
        let failure = #expect(throws: SettingsError.self) { try reader.finish() }
        #expect(failure?.description.contains("is not host:port") == true)
        #expect(failure?.description.contains("S3cret") == false)
    }

    @Test(arguments: ["h", "h:9092", "[::1]:9092,h", "SASL_SSL://h:9093", "b-1.a_b.example:9096, c:1"])
    func brokersAreHostAndPort(servers: String) throws {
        var reader = try SettingsReader(
            flags: ["KAFKA_BOOTSTRAP_SERVERS": servers], configFile: nil, known: [], environment: [:])
        _ = KafkaSettings.configuration(&reader)
        try reader.finish()
    }

    @Test func aLineThatIsNoPropertyIsNamed() {
        let failure = #expect(throws: KafkaClientError.self) { try KafkaProperties.parse("a=b\nnonsense\n", file: "f") }
        #expect(failure?.description == "f:2: expected `property=value`")
        #expect(failure?.disposition == .operator(.settings))
    }

    @Test func whatAGuaranteeHangsOnCannotBeChanged() {
        let configuration = KafkaConfiguration(["enable.auto.commit": .init("true", from: "x.properties:3")])
        let failure = #expect(throws: KafkaClientError.self) {
            try configuration.fixing(["enable.auto.commit": "false"])
        }
        #expect(failure?.description.hasPrefix("x.properties:3: enable.auto.commit=true") == true)
    }
}
