/// Text from elsewhere as a terminal may have it: nothing in it moves the cursor, changes colours or the order of letters, and its
/// width is known.
///
/// - Control characters, formats such as the overrides of the writing direction, line separators, private and unassigned
///   characters become `[U+202E]`.
/// - At most two combining marks follow a letter.
/// - What terminals disagree about is left out: variation selectors, joiners, and tones of skin. Flags become their letters.
struct ScreenText: Sendable, Equatable {
    /// What is written.
    private(set) var text = ""
    /// Columns of the terminal.
    private(set) var width = 0
    /// Marks after the last letter.
    private var marks = 0

    /// The most combining marks after a letter; the scripts of living languages need no more.
    private static let mostMarks = 2

    /// - Parameters:
    ///   - source: any text.
    ///   - columns: the most that it may take; an ellipsis stands for the rest. Nil for any.
    init(_ source: some StringProtocol, columns: Int? = nil) {
        for scalar in source.unicodeScalars {
            // A text of any length costs no more than what is seen of it.
            if let columns, width > columns { break }
            append(scalar)
        }
        if let columns, width > columns { cut(to: columns) }
    }

    private mutating func append(_ scalar: Unicode.Scalar) {
        switch ScalarShape(scalar) {
        case .absent: break
        case .replaced(let replacement):
            for scalar in replacement.unicodeScalars { put(scalar, width: 1) }
        case .mark:
            // A mark without a letter would join what stands before the text.
            guard !text.isEmpty, marks < Self.mostMarks else { return }
            text.unicodeScalars.append(scalar)
            marks += 1
        case .visible(let width): put(scalar, width: width)
        }
    }

    private mutating func put(_ scalar: Unicode.Scalar, width columns: Int) {
        text.unicodeScalars.append(scalar)
        width += columns
        marks = 0
    }

    private mutating func cut(to columns: Int) {
        guard columns > 0 else { return (text, width) = ("", 0) }
        var scalars = Array(text.unicodeScalars)
        while width > columns - 1, let last = scalars.popLast() {
            if case .visible(let columns) = ScalarShape(last) { width -= columns }
        }
        text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        text += "…"
        width += 1
    }
}

/// How a terminal shows a character.
enum ScalarShape: Equatable {
    /// In so many columns.
    case visible(Int)
    /// On the character before it.
    case mark
    /// By another text.
    case replaced(String)
    case absent

    init(_ scalar: Unicode.Scalar) {
        if (0x20..<0x7F).contains(scalar.value) {
            self = .visible(1)
            return
        }
        switch scalar.value {
        case 0x200C, 0x200D, 0xFE00...0xFE0F, 0xE0100...0xE01EF, 0x1F3FB...0x1F3FF: self = .absent
        // Regional indicators: the letters of a flag.
        case 0x1F1E6...0x1F1FF: self = .replaced(String(UnicodeScalar(UInt8(scalar.value - 0x1F1E6) + 0x41)))
        // Vowels and final consonants of Hangul join the syllable before them.
        case 0x1160...0x11FF, 0xD7B0...0xD7FF: self = .mark
        default: self = Self.byCategory(scalar)
        }
    }

    private static func byCategory(_ scalar: Unicode.Scalar) -> ScalarShape {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: .mark
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
            .replaced("[U+\(hexadecimal(scalar.value))]")
        default: .visible(isWide(scalar) ? 2 : 1)
        }
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Two columns: East Asian Width W or F (UAX #11), to which all pictures belong that are shown as such by default.
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.properties.isEmojiPresentation { return true }
        guard scalar.value >= 0x1100 else { return false }
        return wide.contains { $0.contains(scalar.value) }
    }

    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2329...0x232A, 0x2E80...0x303E, 0x3041...0x3247, 0x3250...0x4DBF, 0x4E00...0xA4C6,
        0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6B, 0xFF01...0xFF60,
        0xFFE0...0xFFE6, 0x16FE0...0x1B2FB, 0x1F200...0x1F265, 0x20000...0x3FFFD,
    ]
}
