/// One setting of a service: the one place for its names, its default and what it means.
///
/// Its environment variable is the upper-case name (`KAFKA_TOPIC`), its key in the settings file the lower-case
/// one (`kafka_topic`), its flag the one given here.
package struct Setting: Sendable {
    /// The environment variable.
    package let environment: String
    /// The long flag without dashes, or nil when a flag would be unwise (secrets).
    package let flag: String?
    /// Whether the value must never be shown.
    package let isSecret: Bool

    package init(_ environment: String, flag: String?, isSecret: Bool = false) {
        self.environment = environment
        self.flag = flag
        self.isSecret = isSecret
    }

    /// The key in the settings file.
    package var fileKey: String { environment.lowercased() }

    /// How to name the setting in a message: `KAFKA_TOPIC (--topic)`.
    package var title: String { flag.map { "\(environment) (--\($0))" } ?? environment }
}
