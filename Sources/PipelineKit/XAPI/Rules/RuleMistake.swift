/// Something in a rule that X would refuse, or that does not do what it seems to.
package struct RuleMistake: Error, Equatable, Sendable {
    /// The code points of the rule that it is about, counted from 0; may be empty.
    package let place: Range<Int>
    /// What is wrong, and what to write instead.
    package let text: String

    package init(_ place: Range<Int>, _ text: String) {
        self.place = place
        self.text = text
    }

    /// Where it begins, in code points from 1.
    package var column: Int { place.lowerBound + 1 }

    /// The part of the rule around the mistake, and below it a line that points at it; both are indented by two spaces.
    package func excerpt(of rule: String) -> String {
        let scalars = Array(rule.unicodeScalars)
        let start = min(place.lowerBound, scalars.count)
        let first = start > Self.context ? start - Self.context : 0
        let last = min(scalars.count, max(start + Self.context, min(place.upperBound, start + 2 * Self.context)))
        let lead = first > 0 ? "…" : ""
        let shown = scalars[first..<last].map { $0.properties.generalCategory == .control ? " " : String($0) }.joined()
        let indent = scalars[first..<start].reduce(lead.isEmpty ? 0 : 1) { $0 + $1.terminalColumns }
        let marked = scalars[start..<max(start, min(place.upperBound, last))].reduce(0) { $0 + $1.terminalColumns }
        let carets = String(repeating: " ", count: indent) + "^" + String(repeating: "~", count: max(0, marked - 1))
        return "  \(lead)\(shown)\(last < scalars.count ? "…" : "")\n  \(carets)"
    }

    /// Code points that are shown before and after the mistake.
    private static let context = 50
}

extension Unicode.Scalar {
    /// How many columns a terminal needs: 0 for marks and joiners, 2 for East Asian wide characters and emoji.
    fileprivate var terminalColumns: Int {
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        switch value {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
            0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
            return 2
        default: return properties.isEmojiPresentation ? 2 : 1
        }
    }
}
