import ArgumentParser
import Core
import KafkaClient
import Postgres

/// What the commands have in common that ask PostgreSQL.
struct DatabaseCommandOptions: ParsableArguments {
    @OptionGroup var database: SettingFlags<DatabaseSettings>
    @OptionGroup var common: SettingFlags<CommonSettings>

    @OptionGroup var output: OutputOptions

    /// Reads the settings, with further flags by environment name.
    func read<Settings>(
        flags own: [String: String] = [:], _ body: (inout SettingsReader) throws -> Settings
    ) throws -> Settings {
        var reader = try SettingsReader(
            flags: flags(database.values, common.values, own), known: LoaderSettings.known)
        let settings = try body(&reader)
        CommonSettings.startLogging(&reader)
        try reader.finish()
        return settings
    }

    /// Where PostgreSQL is.
    func conninfo() throws -> PostgresConninfo {
        try read { reader in try DatabaseSettings.conninfo(&reader) }
    }
}

/// What the commands have in common that ask PostgreSQL and Kafka.
struct InspectionOptions: ParsableArguments {
    @OptionGroup var base: DatabaseCommandOptions
    @OptionGroup var kafka: SettingFlags<KafkaSettings>

    /// The setting of the loader that an inspection needs.
    enum Flags: SettingGroup {
        static let settings = [LoadingSettings.group]
    }

    @OptionGroup var group: SettingFlags<Flags>

    /// The settings of a loader that only looks.
    func settings() throws -> LoaderSettings {
        try base.read(flags: flags(kafka.values, group.values)) { reader in
            try LoaderSettings(&reader)
        }
    }
}
