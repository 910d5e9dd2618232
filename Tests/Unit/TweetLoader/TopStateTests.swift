import Core
import Testing

@testable import TweetLoader

/// Keys, and what they do.
@Suite(.timeLimit(.minutes(5))) struct TopStateTests {
    private func keys(_ text: String) -> [TopKey] {
        var reader = KeyReader()
        return reader.keys(Array(text.utf8))
    }

    @Test("the sequences of terminals are keys, and nothing else is")
    func reading() {
        #expect(keys("q+-?") == [.character("q"), .character("+"), .character("-"), .character("?")])
        #expect(
            keys("\u{1B}[A\u{1B}OB\u{1B}[5~\u{1B}[6~\u{1B}[H\u{1B}[F\t\u{1B}[Z")
                == [.up, .down, .pageUp, .pageDown, .home, .end, .tab, .backTab])
        #expect(keys("\u{1B}[1;5A\u{1B}[200~x\u{1B}[M") == [.character("x")])
        #expect(keys("\u{3}\u{1A}\0é") == [])
    }

    @Test("a sequence may come in pieces, and Escape alone is a key once nothing follows")
    func pieces() {
        var reader = KeyReader()
        #expect(reader.keys([0x1B]) == [] && reader.isPending)
        #expect(reader.keys(Array("[".utf8)) == [] && reader.keys(Array("B".utf8)) == [.down] && !reader.isPending)
        #expect(reader.keys([0x1B]) == [] && reader.timeOut() == [.escape] && !reader.isPending)
        #expect(reader.keys([0x1B, 0x1B]) == [.escape] && reader.isPending)
        // A sequence without an end does not swallow what is typed for ever.
        var endless = KeyReader()
        _ = endless.keys(Array(("\u{1B}[" + String(repeating: "1", count: 1000)).utf8))
        #expect(endless.keys(Array("q".utf8)) == [.character("q")] || endless.timeOut() == [])
    }

    @Test func tablesAndOrder() {
        var state = TopState()
        func press(_ keys: TopKey...) { for key in keys { state.press(key, columns: 3, page: 5) } }
        press(.tab)
        #expect(state.table == .streams)
        press(.backTab, .backTab)
        #expect(state.table == .checks)
        press(.tab)
        #expect(state.table == .partitions)
        press(.character("3"), .character("9"), .character("0"))
        #expect(state.table == .rules)
        press(.character("s"))
        #expect(state.sortColumns == [.rules: 0])
        press(.right, .right)
        #expect(state.sortColumns == [.rules: 2])
        press(.right)
        #expect(state.sortColumns == [:])
        press(.left)
        #expect(state.sortColumns == [.rules: 2])
        press(.left, .left, .left)
        #expect(state.sortColumns == [:])
        press(.down, .down, .pageDown, .up)
        #expect(state.scroll == 6)
        press(.pageUp, .pageUp)
        #expect(state.scroll == 0)
    }

    @Test func intervalsPauseAndEnd() {
        var state = TopState()
        func press(_ keys: TopKey...) { for key in keys { state.press(key, columns: 0, page: 0) } }
        press(.character("-"))
        #expect(state.interval == .milliseconds(500))
        press(.character("-"))
        #expect(state.interval == .milliseconds(500))
        for _ in 0..<20 { press(.character("+")) }
        #expect(state.interval == .seconds(60))
        state.interval = .seconds(3)
        press(.character("-"))
        #expect(state.interval == .seconds(2))
        press(.character("p"), .character("?"))
        #expect(state.isPaused && state.showsHelp && !state.hasEnded)
        press(.escape, .character(" "), .character("s"), .character("x"))
        #expect(!state.isPaused && !state.showsHelp)
        press(.character("q"))
        #expect(state.hasEnded)
    }
}
