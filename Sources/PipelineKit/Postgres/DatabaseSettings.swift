import Core

/// Where PostgreSQL is; the same for all commands.
package enum DatabaseSettings: SettingGroup {
    package static let title = "PostgreSQL"
    package static let settings = [PostgresConninfo.setting]

    /// Reads the connection string; a mistake in it is collected by the reader.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: where PostgreSQL is.
    /// - Throws: `SettingsError` when even `PG*` variables cannot be used.
    package static func conninfo(_ reader: inout SettingsReader) throws(SettingsError) -> PostgresConninfo {
        let setting = PostgresConninfo.setting
        let environment = ProcessEnvironment.current
        let text = reader.string(setting)
        let isElsewhere = ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"].contains { environment[$0] != nil }
        if text == nil, !isElsewhere {
            reader.addMistake(
                "\(setting.title) is not set; an example is postgresql://tweets@localhost/tweets")
        }
        do { return try PostgresConninfo(text ?? "") } catch {
            reader.addMistake(error.description)
            return try PostgresConninfo("")
        }
    }
}
