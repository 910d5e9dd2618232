import TestSupport
import Testing

@testable import Core

/// Environment files as systemd reads them.
@Suite(.timeLimit(.minutes(5))) struct EnvironmentFileTests {
    private func read(_ text: String) -> EnvironmentFile { EnvironmentFile(text: text, path: "f") }

    @Test func valuesAreThoseOfSystemd() {
        let file = read("# a comment\n; another\n\nA=1\n B = two words \nC=\"a # b\"\nD='x'\nE=a\\ b\nF=\n")
        #expect(file.values == ["A": "1", "B": "two words", "C": "a # b", "D": "x", "E": "a b", "F": ""])
        #expect(file.oddities.isEmpty)
    }

    @Test func whatReadersTakeDifferentlyIsNamed() {
        let file = read("A=1 # one\nexport B=2\nC=\"open\nnonsense\n")
        #expect(file.values["A"] == "1 # one")
        #expect(
            file.oddities == [
                "f:1: `# one` belongs to the value of A", "f:2: systemd does not know `export`",
                "f:3: a quotation mark of C has no partner", "f:4: neither a comment nor NAME=value",
            ])
    }
}
