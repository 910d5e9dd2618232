import Core

/// Where PostgreSQL is; the same for all commands.
package enum DatabaseSettings: SettingGroup {
    package static let title = "PostgreSQL"
    package static let settings = [PostgresConninfo.setting]

    /// Whether anything says where PostgreSQL is.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: false when neither the setting nor a variable of libpq does.
    package static func isSet(_ reader: SettingsReader) -> Bool {
        let environment = ProcessEnvironment.current
        return reader.string(PostgresConninfo.setting) != nil
            || ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"].contains { environment[$0] != nil }
    }

    /// Reads the connection string; a mistake in it is collected by the reader.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: where PostgreSQL is.
    /// - Throws: `SettingsError` when even `PG*` variables cannot be used.
    package static func conninfo(_ reader: inout SettingsReader) throws(SettingsError) -> PostgresConninfo {
        let setting = PostgresConninfo.setting
        let text = reader.string(setting)
        if !isSet(reader) {
            reader.addMistake(
                "\(setting.title) is not set; an example is postgresql://tweets@localhost/tweets")
        }
        do { return try PostgresConninfo(text ?? "") } catch {
            reader.addMistake(error.description)
            return try PostgresConninfo("")
        }
    }
}
