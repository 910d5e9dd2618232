import TestSupport
import Testing

@testable import Core

@Suite(.timeLimit(.minutes(5))) struct StateFileTests {
    private struct Value: Codable, Equatable {
        var name: String
        var count: Int64
    }

    @Test func itHasTheValueThatWasWrittenLast() throws {
        let folder = try TemporaryFolder()
        let file = StateFile<Value>("state.json", in: folder.path)
        #expect(try file.read() == nil && file.value == nil)
        try file.write(Value(name: "a/b", count: 1))
        try file.write(Value(name: "a/b", count: 2))
        #expect(try file.read() == Value(name: "a/b", count: 2))
        #expect(try readTextFile(file.path) == "{\"count\":2,\"name\":\"a/b\"}\n")
        #expect(try JournalFolder.names(folder.path) == ["state.json"], "nothing is left beside it")
        try file.remove()
        try file.remove()
        #expect(try file.read() == nil)
    }

    @Test func aDamagedFileIsNotAMissingOne() throws {
        let folder = try TemporaryFolder()
        let file = StateFile<Value>("state.json", in: folder.path)
        try folder.write("{\"na", to: "state.json")
        let error = #expect(throws: FileError.self) { try file.read() }
        #expect(error?.isDamaged == true && error?.description.contains("state.json") == true && file.value == nil)
    }
}
