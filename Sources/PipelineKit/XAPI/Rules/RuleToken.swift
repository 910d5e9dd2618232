/// A piece of a rule with its place, in code points from 0.
struct RuleToken: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        case open
        case close
        /// `OR`.
        case or
        /// A `-` with what it excludes right behind it.
        case minus
        case term(RuleTerm.Kind)
    }

    let kind: Kind
    let place: Range<Int>
}

/// The smallest thing that a rule looks for.
package struct RuleTerm: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// A word, emoji, `#tag`, `@user` or `$cash`.
        case keyword(String)
        /// `"words"`, and with `~N` up to N words in between.
        case phrase(String, proximity: Int?)
        /// `name:value`; the name in lower case, the value without its quotes.
        case `operator`(name: String, value: RuleValue)
    }

    package let kind: Kind
    /// Whether a `-` stands before it.
    package let isNegated: Bool
    /// Its code points, the `-` included.
    package let place: Range<Int>
}

/// What stands behind an operator's colon.
package struct RuleValue: Equatable, Sendable {
    package enum Form: Equatable, Sendable {
        case bare
        case quoted
        case bracketed
    }

    package let text: String
    package let form: Form
    let place: Range<Int>
}
