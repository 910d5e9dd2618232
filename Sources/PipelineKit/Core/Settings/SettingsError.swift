/// Why settings cannot be used.
package struct SettingsError: DisposedError {
    /// Where each error stands (flag, variable, file and line), what is wrong and what to do: one line for each.
    package let description: String

    /// `operator` for settings.
    package var disposition: Disposition { .operator(.settings) }

    /// - Parameter description: place, error and remedy; names of secrets, never their values.
    package init(_ description: String) {
        self.description = description
    }
}
