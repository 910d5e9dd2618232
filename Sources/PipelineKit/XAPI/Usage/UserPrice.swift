import Core

/// What X takes for a user who is read, in dollars.
package enum UserPrice {
    /// The setting that says it; the default is X's list price of a user read (X: "Pricing").
    package static let setting = Setting(
        "X_USER_PRICE", flag: "user-price", .number(0...1000), default: "0.010", value: "dollars",
        "Dollars that X charges for a user, for the price of `following` in filters")

    /// Reads the setting; a mistake is added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: the price, in the form of that of a post.
    package static func read(_ reader: inout SettingsReader) -> PostPrice {
        PostPrice(dollars: reader.number(setting))
    }
}
