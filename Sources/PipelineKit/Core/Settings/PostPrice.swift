/// What X takes for one post, in dollars.
package struct PostPrice: Equatable, Sendable {
    package let dollars: Double

    /// X's list price of a post read (X: "Pricing").
    package static let listPrice = PostPrice(dollars: 0.005)
    /// The setting that says it.
    package static let setting = Setting(
        "X_POST_PRICE", flag: "post-price", .number(0...1000), default: "0.005", value: "dollars",
        "Dollars that X charges for a post, for estimates")

    package init(dollars: Double) {
        self.dollars = dollars
    }

    /// Reads the setting; a mistake is added to the reader's.
    package static func read(_ reader: inout SettingsReader) -> PostPrice {
        PostPrice(dollars: reader.number(setting))
    }

    /// Price of a number of posts, in whole cents.
    ///
    /// - Parameter posts: how many.
    /// - Returns: dollars.
    package func dollars(for posts: Double) -> Double { (posts * dollars * 100).rounded() / 100 }

    /// Price of a number of posts, such as `$1,234.50`.
    package func text(for posts: Double) -> String {
        let cents = (posts * dollars * 100).rounded()
        guard cents < 1e15 else { return "$∞" }
        let fraction = String(Int64(cents) % 100)
        return "$\(groupedDigits(Int64(cents) / 100)).\(fraction.count < 2 ? "0" : "")\(fraction)"
    }
}
