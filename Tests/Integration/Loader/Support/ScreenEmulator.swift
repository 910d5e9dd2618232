@testable import TweetLoader

/// As much of a terminal as `top` uses; whatever else reaches it is listed in `strange`.
struct ScreenEmulator: Sendable {
    private(set) var columns: Int
    private(set) var rows: Int
    private(set) var isAlternate = false
    private(set) var hasCursor = true
    private(set) var wraps = true
    /// The parameters of the last SGR; empty for none.
    private(set) var style = ""
    /// Control characters and sequences that no program of ours may send.
    private(set) var strange: [String] = []
    /// A cell is a character and its marks; empty right of a wide one.
    private var cells: [[String]] = []
    private var saved: [[String]] = []
    private var cursor = (row: 0, column: 0)
    private var savedCursor = (row: 0, column: 0)
    /// Bytes of a sequence, or of a character, whose end has not come yet.
    private var pending: [UInt8] = []

    init(columns: Int, rows: Int) {
        (self.columns, self.rows) = (columns, rows)
        cells = Array(repeating: Array(repeating: " ", count: columns), count: rows)
    }

    /// The lines without the spaces at their ends.
    var lines: [String] {
        cells.map { String($0.joined().reversed().drop { $0 == " " }.reversed()) }
    }

    var text: String { lines.joined(separator: "\n") }

    mutating func resize(columns: Int, rows: Int) {
        (self.columns, self.rows) = (columns, rows)
        cells = (0..<rows).map { row in
            let old = row < cells.count ? cells[row] : []
            return (0..<columns).map { $0 < old.count ? old[$0] : " " }
        }
        cursor = (min(cursor.row, rows - 1), min(cursor.column, columns - 1))
    }

    mutating func write(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { take(byte) }
    }

    private mutating func take(_ byte: UInt8) {
        if pending.first == 0x1B {
            pending.append(byte)
            if pending.count == 2, byte == UInt8(ascii: "[") { return }
            if pending.count > 2, (0x20...0x3F).contains(byte) { return }
            let sequence = String(decoding: pending.dropFirst(), as: UTF8.self)
            pending = []
            return control(sequence)
        }
        if byte == 0x1B {
            pending = [byte]
        } else if byte < 0x20 || byte == 0x7F {
            control(byte)
        } else {
            pending.append(byte)
            guard let text = String(validating: pending, as: UTF8.self), let scalar = text.unicodeScalars.first else {
                if pending.count > 4 { pending = [] }
                return
            }
            pending = []
            put(scalar)
        }
    }

    private mutating func control(_ byte: UInt8) {
        switch byte {
        case 0x0D: cursor.column = 0
        case 0x0A: lineFeed()
        default: strange.append("\(byte)")
        }
    }

    private mutating func lineFeed() {
        guard cursor.row == rows - 1 else { return cursor.row += 1 }
        cells.removeFirst()
        cells.append(Array(repeating: " ", count: columns))
    }

    private mutating func control(_ sequence: String) {
        let numbers = sequence.dropFirst().dropLast().split(separator: ";").compactMap { Int($0) }
        switch (sequence.first, sequence.last) {
        case ("[", "H"):
            cursor = (min(rows, numbers.first ?? 1) - 1, min(columns, numbers.dropFirst().first ?? 1) - 1)
        case ("[", "K"): erase(row: cursor.row, from: cursor.column)
        case ("[", "J"):
            let isAll = numbers.first == 2
            erase(row: isAll ? 0 : cursor.row, from: isAll ? 0 : cursor.column)
            for row in (isAll ? 0 : cursor.row + 1)..<max(rows, cursor.row + 1) where row < rows {
                erase(row: row, from: 0)
            }
        case ("[", "m"): style = numbers == [0] ? "" : numbers.map { "\($0)" }.joined(separator: ";")
        default: mode(sequence)
        }
    }

    private mutating func mode(_ sequence: String) {
        switch sequence {
        case "[?1049h" where !isAlternate:
            (saved, savedCursor, isAlternate) = (cells, cursor, true)
            for row in 0..<rows { erase(row: row, from: 0) }
        case "[?1049l" where isAlternate:
            isAlternate = false
            (cells, cursor) = (saved, savedCursor)
            resize(columns: columns, rows: rows)
        case "[?1049h", "[?1049l": break
        case "[?25l", "[?25h": hasCursor = sequence.hasSuffix("h")
        case "[?7l", "[?7h": wraps = sequence.hasSuffix("h")
        default: strange.append(sequence)
        }
    }

    private mutating func erase(row: Int, from column: Int) {
        guard row < rows, column < columns else { return }
        for place in column..<columns { cells[row][place] = " " }
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
        switch ScalarShape(scalar) {
        case .visible(let width): put(scalar, width)
        case .mark:
            let column = cursor.column > 0 && cells[cursor.row][cursor.column - 1].isEmpty ? 2 : 1
            if cursor.column >= column { cells[cursor.row][cursor.column - column].unicodeScalars.append(scalar) }
        case .replaced, .absent: strange.append("U+" + String(scalar.value, radix: 16))
        }
    }

    private mutating func put(_ scalar: Unicode.Scalar, _ width: Int) {
        if cursor.column + width > columns {
            if wraps {
                cursor.column = 0
                lineFeed()
            } else {
                cursor.column = max(0, columns - width)
            }
        }
        cells[cursor.row][cursor.column] = String(scalar)
        if width == 2, cursor.column + 1 < columns { cells[cursor.row][cursor.column + 1] = "" }
        cursor.column += width
        if !wraps, cursor.column >= columns { cursor.column = columns }
    }
}
