import Core

/// What X takes for one post, in dollars.
package struct PostPrice: Equatable, Sendable {
    package let dollars: Double

    /// X's list price of a post read (X: "Pricing").
    package static let listPrice = PostPrice(dollars: 0.005)
    /// The setting that says it.
    package static let setting = Setting("X_POST_PRICE", flag: "post-price")

    package init(dollars: Double) {
        self.dollars = dollars
    }

    /// Reads the setting; a mistake is added to the reader's.
    package static func read(_ reader: inout SettingsReader) -> PostPrice {
        guard let text = reader.string(setting) else { return listPrice }
        if let dollars = Double(text), (0...1000).contains(dollars) { return PostPrice(dollars: dollars) }
        reader.addMistake("\(reader.origin(setting)): '\(text)' is not a number of dollars from 0 to 1000")
        return listPrice
    }

    /// What so many posts cost, such as `$1,234.50`.
    package func text(for posts: Double) -> String {
        let cents = (posts * dollars * 100).rounded()
        guard cents < 1e15 else { return "$∞" }
        let fraction = String(Int64(cents) % 100)
        return "$\(groupedDigits(Int64(cents) / 100)).\(fraction.count < 2 ? "0" : "")\(fraction)"
    }
}
