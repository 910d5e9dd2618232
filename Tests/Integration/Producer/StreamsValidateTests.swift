import Foundation
import TestSupport
import Testing

/// `tweet-producer streams validate`, for people and for programs.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct StreamsValidateTests {
    private let host: StreamsHost

    init() throws {
        host = try StreamsHost()
    }

    private struct Validity: Decodable {
        let version: Int
        let file: String
        let isValid: Bool
        let streams: Int
        let active: Int
        let errors: [String]
    }

    private func validate() throws -> (command: ProducerCommand, found: Validity) {
        let command = try host.streams("validate", "--json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return (command, try decoder.decode(Validity.self, from: Data(command.output.utf8)))
    }

    @Test func aValidFile() throws {
        try host.declare(
            StreamsHost.stream("one", token: "a"), StreamsHost.stream("two", token: "a", "active: false"))
        let (command, found) = try validate()
        #expect(command.status == 0 && found.version == 1 && found.isValid && found.errors == [], "\(command)")
        #expect(found.file == host.file && found.streams == 2 && found.active == 1)
        let text = try host.streams("validate")
        #expect(text.status == 0 && text.output == "\(host.file): 2 streams, 1 active\n", "\(text)")
    }

    /// Programs get the errors that standard error has.
    @Test func aFileWithErrors() throws {
        try host.declare(
            StreamsHost.stream("one", token: "a"),
            StreamsHost.stream("two", token: "a", "settings: { drain: soon }"), StreamsHost.stream("six", token: "none")
        )
        let (command, found) = try validate()
        #expect(command.status == 78 && !found.isValid && found.streams == 3, "\(command)")
        for part in ["drain: 'soon' is not", "have the same token", "tokens/none"] {
            #expect(found.errors.contains { $0.contains(part) }, "\(found)")
        }
        #expect(found.errors.allSatisfy(command.errors.contains), "\(command)")
        let text = try host.streams("validate")
        #expect(text.status == 78 && text.output.isEmpty, "\(text)")
    }
}
