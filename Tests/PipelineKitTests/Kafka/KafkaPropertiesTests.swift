import Testing

@testable import PipelineKit

@Suite struct KafkaPropertiesTests {
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

    @Test func aLineThatIsNoPropertyIsNamed() {
        let failure = #expect(throws: Failure.self) { try KafkaProperties.parse("a=b\nnonsense\n", file: "f") }
        #expect(failure?.description == "f:2: expected `property=value`")
        #expect(failure?.status == .badSettings)
    }

    @Test func whatAGuaranteeHangsOnCannotBeChanged() {
        let configuration = KafkaConfiguration(["enable.auto.commit": .init("true", from: "x.properties:3")])
        let failure = #expect(throws: Failure.self) { try configuration.fixing(["enable.auto.commit": "false"]) }
        #expect(failure?.description.hasPrefix("x.properties:3: enable.auto.commit=true") == true)
    }
}
