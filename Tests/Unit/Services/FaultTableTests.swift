import Foundation
import TestSupport
import Testing

/// docs/faults.md names tests that exist.
@Suite(.timeLimit(.minutes(5))) struct FaultTableTests {
    /// The sources of all tests as one text.
    private func sources() throws -> String {
        let folder = repository.appending(path: "Tests")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        return try files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
            .map { try String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
    }

    @Test("every test that the table of faults names is there; an ellipsis stands for several")
    func names() throws {
        let table = try String(contentsOf: repository.appending(path: "docs/faults.md"), encoding: .utf8)
        let sources = try sources()
        let suites = Set(sources.matches(of: /(?:struct|class|extension|enum) (\w+Tests)\b/).map { String($0.1) })
        let functions = Set(sources.matches(of: /func (\w+)/).map { String($0.1) })
        let named = table.matches(of: /`([A-Z]\w+Tests)(?:\.(\w+)(…?))?`/)
        #expect(named.count > 80, "else this shows nothing")
        for name in named {
            #expect(suites.contains(String(name.1)), "\(name.0)")
            guard let test = name.2.map(String.init) else { continue }
            let isThere =
                name.3?.isEmpty == false ? functions.contains { $0.hasPrefix(test) } : functions.contains(test)
            #expect(isThere, "\(name.0)")
        }
    }
}
