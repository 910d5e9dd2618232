import Foundation
import Testing

@testable import Core

@Suite("Output of commands", .timeLimit(.minutes(5)))
struct OutputTests {
    private struct Sum: Report {
        let postsSeen: Int
        let share: Double?

        func text(on terminal: Terminal?) -> String { counted(postsSeen, "post").cut(to: terminal?.columns) }
    }

    @Test("every report is one object with the version of its form")
    func envelope() throws {
        let report = Sum(postsSeen: 3, share: 0.25)
        #expect(report.json(isCompact: true) == #"{"posts_seen":3,"share":0.25,"version":1}"#)
        let lines = report.json().split(separator: "\n")
        #expect(lines.count == 5 && lines[1] == #"  "posts_seen" : 3,"#)
        #expect(report.text == "3 posts" && report.text(on: Terminal(columns: 4)) == "3 p…")
    }

    @Test("a number that JSON does not have costs no other member", arguments: [Double.infinity, -.infinity, .nan])
    func noNumber(_ share: Double) {
        #expect(Sum(postsSeen: 3, share: share).json(isCompact: true).contains(#""posts_seen":3,"share":""#))
    }

    @Test("a table leaves out columns, then the ends of its lines")
    func narrow() {
        var table = FittingTable(
            header: ["id", "tag", "value"], rows: [["12", "cats", "cat has:images"], ["345", "-", "dog"]],
            dispensable: [1])
        #expect(table.text(on: nil) == "id   tag   value\n12   cats  cat has:images\n345  -     dog")
        #expect(table.text(on: Terminal(columns: nil)) == table.text(on: nil))
        #expect(table.text(on: Terminal(columns: 20)) == "id   value\n12   cat has:images\n345  dog")
        #expect(table.text(on: Terminal(columns: 10)) == "id   value\n12   cat …\n345  dog")
        table.footer = "2 rules in all"
        #expect(table.render(columns: 10, lines: 3) == ["id  value", "… 2 more", "2 rules i…"])
    }

    @Test("only names are shortened at their beginning")
    func names() {
        var table = FittingTable(header: ["partition", "lag"], rows: [["a-very-long-topic-11", "5000"]])
        #expect(table.text(on: Terminal(columns: 20)).hasSuffix("a-very-long-topic-1…"))
        table.shortensNames = true
        #expect(table.text(on: Terminal(columns: 20)).hasSuffix("…long-topic-11  5000"))
    }

    @Test("rows of a name and a value need no header")
    func facts() {
        let table = FittingTable(header: nil, rows: [["lines", "7"], ["state", "writing"]])
        #expect(table.text(on: Terminal(columns: 11)) == "lines  7\nstate  wri…")
    }

    @Test func quantitiesHaveTheirUnit() {
        #expect([0, 1, 2].map { counted($0, "gap") } == ["0 gaps", "1 gap", "2 gaps"])
        #expect(
            [0, 119, 120, 7199, 7200, 172_800].map { shortAge($0) } == [
                "0 s", "119 s", "2 min", "119 min", "2 h", "2 d",
            ])
    }

    @Test func controlCharactersDoNotReachATerminal() {
        #expect("cat\u{1B}[2J\n".plain == "cat [2J ")
    }
}
