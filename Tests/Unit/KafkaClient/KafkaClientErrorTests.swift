import TestSupport
import Testing

@testable import Core
@testable import KafkaClient

@Suite(.timeLimit(.minutes(5))) struct KafkaClientErrorTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// A token of JSON: {"alg":"none"} . {"exp":1} . signature.
    private static let ended = "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.c2ln"

    @Test(arguments: [
        ("", "has no token"), ("Bearer abc", "leave out 'Bearer '"), ("S3cret S3cret", "has no token"),
        (ended, "ended at"),
    ])
    func aTokenThatCannotBeUsedIsAMatterOfCredentials(text: String, reason: String) throws {
        try folder.write(text, to: "token")
        let error = #expect(throws: KafkaClientError.self) { try KafkaToken(file: folder.path + "/token") }
        #expect(error?.disposition == .operator(.credentials))
        #expect(error?.description.contains(reason) == true, "\(error as Any)")
        #expect(error?.description.contains(folder.path) == true)
        #expect(text.isEmpty || error?.description.contains(text) == false)
        #expect(error.map { Failure($0).status } == .refusedCredentials)
    }

    @Test func aTokenFileThatIsNotThereIsAMatterOfCredentials() {
        let error = #expect(throws: KafkaClientError.self) { try KafkaToken(file: folder.path + "/none") }
        #expect(error?.disposition == .operator(.credentials))
        #expect(error?.description.hasPrefix("KAFKA_TOKEN_FILE: ") == true)
    }

    @Test func allPropertiesThatCannotBeUsedAreNamedTogether() {
        let configuration = KafkaConfiguration([
            "no.such.property": .init("1", from: "a.properties:1"), "linger.ms": .init("soon", from: "-X"),
            "sasl.jaas.config": .init("S3cret", from: "a.properties:3"),
        ])
        let error = #expect(throws: KafkaClientError.self) {
            _ = try KafkaProducer(configuration, logger: LogRecorder().logger)
        }
        #expect(error?.disposition == .operator(.settings))
        #expect(error.map { Failure($0).status } == .badSettings)
        let text = error?.description ?? ""
        for expected in ["a.properties:1: unknown property", "-X: linger.ms", "a.properties:3: sasl.jaas.config"] {
            #expect(text.contains(expected), "\(text)")
        }
        #expect(!text.contains("S3cret"))
    }
}
