import Core
import Glibc

/// `top` on a terminal, until it is quit.
struct TopSession: ~Copyable {
    private var terminal: ScreenTerminal
    private let signals: TopSignals
    private let sources: TopSources
    private var state: TopState
    private var memory: TopMemory
    private var facts: TopFacts
    private var keys = KeyReader()

    /// How long the rest of a key's sequence may take, in milliseconds.
    private static let sequencePause: Int32 = 50

    /// - Parameters:
    ///   - terminal: where it is shown.
    ///   - signals: wake it up.
    ///   - sources: what is shown.
    ///   - memory: of what was heard so far.
    ///   - interval: how often the sources are asked.
    init(
        _ terminal: consuming ScreenTerminal, _ signals: TopSignals, _ sources: TopSources, _ memory: TopMemory,
        interval: Duration
    ) {
        (self.signals, self.sources, self.memory) = (signals, sources, memory)
        self.terminal = terminal
        state = TopState(interval: interval)
        facts = self.memory.facts(sources.looks, at: .now())
    }

    /// Shows, and answers keys and signals. The terminal is as it was when this returns.
    mutating func run() {
        terminal.enter()
        while !state.hasEnded {
            guard draw() else { break }
            wait()
        }
        terminal.leave()
    }

    private func draw() -> Bool {
        let (columns, rows) = terminal.size
        return terminal.draw(TopScreen(facts: facts, state: state).lines(columns: columns, rows: rows))
    }

    /// Waits until there is something to do, and does it.
    private mutating func wait() {
        var events = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        let timeout = keys.isPending ? Self.sequencePause : -1
        let count = unsafe poll(&events, nfds_t(events.count), timeout)
        if count == 0 { press(keys.timeOut()) }
        if events[1].revents != 0 { signals.take().forEach { handle($0) } }
        guard events[0].revents != 0 else { return }
        guard let bytes = terminal.read() else {
            state.hasEnded = true
            return
        }
        press(keys.keys(bytes))
    }

    private mutating func press(_ keys: [TopKey]) {
        for key in keys {
            let page = TopScreen.page(facts, rows: terminal.size.rows)
            let table = facts.table(state)
            state.press(key, columns: table.columns.count, page: page)
            // What is behind the end is no way back.
            state.scroll = min(state.scroll, max(0, facts.table(state).rows.count - page))
        }
        sources.interval = state.interval
        if !state.isPaused { refresh() }
    }

    private mutating func handle(_ signal: Int32) {
        switch signal {
        case 0: if !state.isPaused { refresh() }
        case SIGTSTP:
            terminal.leave()
            signals.stopProcess()
            terminal.enter()
        case SIGCONT: terminal.enter()
        case SIGWINCH: break
        default: state.hasEnded = true
        }
    }

    private mutating func refresh() {
        facts = memory.facts(sources.looks, at: .now())
    }
}
