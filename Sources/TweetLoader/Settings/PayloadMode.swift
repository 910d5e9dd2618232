/// What is kept of the whole line in `tweets.payload`.
package enum PayloadMode: String, Sendable, CaseIterable {
    /// The parsed document: the column is `jsonb`.
    case jsonb
    /// The very text, loaded almost twice as fast and slower to query: the column is `json`.
    case json
    /// Nothing; the column stays and is null.
    case drop

    /// The type that `tweets.payload` must have, as `format_type` names it; COPY's binary form differs between the
    /// two. Nil: any.
    package var columnType: String? { self == .drop ? nil : rawValue }

    /// Answers one row: the type that `tweets.payload` has.
    package static let columnTypeSQL = """
        SELECT format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = 'tweets'::regclass AND attname = 'payload'
        """

    /// Gives the column the mode's type; for `migrate`, right after the schema was created: it rewrites every
    /// partition. Nil when there is nothing to change.
    package var alterSQL: String? {
        columnType.map { "ALTER TABLE tweets ALTER COLUMN payload TYPE \($0) USING payload::text::\($0)" }
    }
}
