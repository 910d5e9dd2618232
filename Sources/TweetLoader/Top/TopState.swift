/// What a person has chosen in `top`: which table, in which order, how often.
struct TopState: Sendable, Equatable {
    /// The tables.
    enum Table: Int, CaseIterable, Sendable {
        case partitions, streams, rules, gaps, checks

        var title: String {
            switch self {
            case .partitions: "Partitions"
            case .streams: "Streams"
            case .rules: "Rules"
            case .gaps: "Gaps"
            case .checks: "Checks"
            }
        }
    }

    var table = Table.partitions
    /// The column by which a table is ordered; nil for its own order.
    var sortColumns: [Table: Int] = [:]
    /// How many rows of the table are above what is shown.
    var scroll = 0
    var isPaused = false
    var showsHelp = false
    var hasEnded = false
    /// How often the sources are asked.
    var interval: Duration = .seconds(1)
    /// Whether text is printed once, without keys.
    var isPlain = false

    /// What `+` and `-` go through.
    static let intervals: [Duration] = [
        .milliseconds(500), .seconds(1), .seconds(2), .seconds(5), .seconds(10), .seconds(30), .seconds(60),
    ]

    /// Does what a key asks for.
    ///
    /// - Parameters:
    ///   - key: what was pressed.
    ///   - columns: how many columns the table has.
    ///   - page: how many rows are shown.
    mutating func press(_ key: TopKey, columns: Int, page: Int) {
        switch key {
        case .character("q"), .character("Q"): hasEnded = true
        case .character("?"), .character("h"): showsHelp.toggle()
        case .escape: showsHelp = false
        case .character("p"), .character(" "): isPaused.toggle()
        case .character("+"), .character("="): changeInterval(by: 1)
        case .character("-"): changeInterval(by: -1)
        case .tab: show((table.rawValue + 1) % Table.allCases.count)
        case .backTab: show((table.rawValue + Table.allCases.count - 1) % Table.allCases.count)
        case .character(let digit) where digit.isASCII && digit.isNumber:
            if let number = digit.wholeNumberValue, number > 0 { show(number - 1) }
        case .character("s"), .right: sort(by: 1, of: columns)
        case .left: sort(by: -1, of: columns)
        default: scroll(key, page: page)
        }
    }

    private mutating func scroll(_ key: TopKey, page: Int) {
        switch key {
        case .up: scroll -= 1
        case .down: scroll += 1
        case .pageUp: scroll -= max(1, page)
        case .pageDown: scroll += max(1, page)
        case .home: scroll = 0
        case .end: scroll = .max / 2
        default: break
        }
        scroll = max(0, scroll)
    }

    private mutating func show(_ number: Int) {
        guard let chosen = Table(rawValue: number) else { return }
        (table, scroll) = (chosen, 0)
    }

    /// Goes to the next column, or before the first one back to the table's own order.
    private mutating func sort(by step: Int, of columns: Int) {
        guard columns > 0 else { return }
        let next = ((sortColumns[table] ?? -1) + 1 + step + columns + 1) % (columns + 1) - 1
        sortColumns[table] = next < 0 ? nil : next
        scroll = 0
    }

    private mutating func changeInterval(by step: Int) {
        let all = Self.intervals
        let next = step > 0 ? all.first { $0 > interval } : all.last { $0 < interval }
        interval = next ?? interval
    }
}

/// A key of the keyboard.
enum TopKey: Equatable, Sendable {
    case character(Character)
    case up, down, left, right, pageUp, pageDown, home, end, tab, backTab, escape
}

/// Makes keys of the bytes that a terminal sends (ECMA-48, xterm's control sequences).
struct KeyReader: Sendable {
    /// The beginning of a sequence whose end has not come yet.
    private var pending: [UInt8] = []

    private static let escape: UInt8 = 0x1B

    /// Whether a sequence has begun; a key of its own when nothing follows.
    var isPending: Bool { !pending.isEmpty }

    /// - Parameter bytes: what was read.
    /// - Returns: the keys; what is no key of `top` is left out.
    mutating func keys(_ bytes: some Sequence<UInt8>) -> [TopKey] {
        bytes.compactMap { take($0) }
    }

    /// Nothing followed the beginning of a sequence.
    mutating func timeOut() -> [TopKey] {
        defer { pending = [] }
        return pending == [Self.escape] ? [.escape] : []
    }

    private mutating func take(_ byte: UInt8) -> TopKey? {
        guard !pending.isEmpty else { return begin(byte) }
        if byte == Self.escape {
            let isEscape = pending == [Self.escape]
            pending = [byte]
            return isEscape ? .escape : nil
        }
        pending.append(byte)
        if pending.count == 2, byte == UInt8(ascii: "[") || byte == UInt8(ascii: "O") { return nil }
        // Parameters of a sequence are 0x30 to 0x3F, and one of 0x40 to 0x7E ends it.
        if pending.count > 2, (0x20...0x3F).contains(byte), pending.count < 16 { return nil }
        defer { pending = [] }
        return Self.sequence(pending)
    }

    private mutating func begin(_ byte: UInt8) -> TopKey? {
        switch byte {
        case Self.escape:
            pending = [byte]
            return nil
        case 0x09: return .tab
        case 0x20...0x7E: return .character(Character(UnicodeScalar(byte)))
        default: return nil
        }
    }

    private static func sequence(_ bytes: [UInt8]) -> TopKey? {
        switch String(decoding: bytes.dropFirst(2), as: UTF8.self) {
        case "A": .up
        case "B": .down
        case "C": .right
        case "D": .left
        case "H", "1~", "7~": .home
        case "F", "4~", "8~": .end
        case "5~": .pageUp
        case "6~": .pageDown
        case "Z": .backTab
        default: nil
        }
    }
}
