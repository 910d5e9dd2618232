import Core
import Glibc
import Postgres

/// How large a database of tweets is, how fast it grows, and how long its disk suffices.
struct DatabaseSize: Equatable {
    var bytes: Int64 = 0
    /// Posts that were counted by hour (`hour_counts`), and those of them of the last seven days.
    var (posts, recentPosts): (Int64, Int64) = (0, 0)
    /// Over how many days the recent posts came: seven, or fewer when the first post is younger.
    var days = 7.0
    /// What is free on the disk of the tweets; nil when it cannot be seen from here.
    var free: Int64?

    private static let name = "size"
    /// A disk is not made larger in a day.
    private static let fewDays = 14.0

    /// The share of the posts of seven days in all posts is their share in the bytes: a size of seven days ago is recorded nowhere.
    var bytesPerDay: Double {
        guard posts > 0, days > 0 else { return 0 }
        return Double(bytes) * Double(recentPosts) / Double(posts) / days
    }

    /// Reads it.
    ///
    /// - Parameter connection: to a database that has the schema.
    /// - Throws: `PostgresError` when PostgreSQL cannot be asked.
    init(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        let answer = try connection.query(
            """
            SELECT pg_database_size(current_database()), coalesce(sum(posts), 0)::bigint,
                coalesce(sum(posts) FILTER (WHERE hour >= now() - interval '7 days'), 0)::bigint,
                least(7, greatest(0.05, extract(epoch FROM now() - min(hour)) / 86400))::text
            FROM hour_counts WHERE rule_id = 0 AND posts > 0
            """, doing: "ask for the size of the database")
        bytes = answer.integer(0, 0) ?? 0
        (posts, recentPosts) = (answer.integer(0, 1) ?? 0, answer.integer(0, 2) ?? 0)
        days = answer.text(0, 3).flatMap { Double($0) } ?? 7
        free = try Self.free(connection)
    }

    init(bytes: Int64, posts: Int64, recentPosts: Int64, days: Double = 7, free: Int64?) {
        (self.bytes, self.posts, self.recentPosts, self.days, self.free) = (bytes, posts, recentPosts, days, free)
    }

    /// Room for new partitions. A server of this host shows the folder of a tablespace to every role, and that of its data only to
    /// members of pg_read_all_settings.
    private static func free(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Int64? {
        let host = connection.encryption.host
        let isHere = ["", "::1", "localhost"].contains(host) || host.hasPrefix("/") || host.hasPrefix("127.")
        guard isHere else { return nil }
        let answer = try connection.query(
            """
            SELECT coalesce(nullif(pg_tablespace_location(t.oid), ''),
                (SELECT setting FROM pg_settings WHERE name = 'data_directory'))
            FROM pg_database d JOIN pg_tablespace t ON CASE current_setting('default_tablespace')
                WHEN '' THEN t.oid = d.dattablespace ELSE t.spcname = current_setting('default_tablespace') END
            WHERE d.datname = current_database()
            """, doing: "ask for the folder of the database")
        var info = statvfs()
        let folder = answer.rowCount > 0 ? answer.text(0, 0) : nil
        guard let folder, unsafe statvfs(folder, &info) == 0 else { return nil }
        return Int64(clamping: UInt64(info.f_bavail) * UInt64(info.f_frsize))
    }

    /// Judges how long the disk suffices.
    var finding: DoctorFinding {
        let perWeek = bytesPerDay * 7
        let growth = posts > 0 ? "it grows by about \(Self.shown(perWeek)) in 7 days" : "no post was counted yet"
        let detail = "\(Self.shown(Double(bytes))); \(growth)"
        guard let free else {
            return .ok(Self.name, "\(detail); its disk cannot be seen from here")
        }
        let room = "\(detail); \(Self.shown(Double(free))) are free"
        guard bytesPerDay > 0 else { return .ok(Self.name, room) }
        let left = Double(free) / bytesPerDay
        guard left < Self.fewDays else { return .ok(Self.name, "\(room), enough for \(Int(min(left, 9999))) days") }
        return .warning(
            Self.name, "\(room), enough for only \(Int(left)) days",
            remedy: "enlarge the disk; tweet-loader retention deletes old months; PAYLOAD=drop stores less")
    }

    private static func shown(_ bytes: Double) -> String {
        let units = ["kB", "MB", "GB", "TB"]
        var (value, unit) = (bytes / 1000, 0)
        while value >= 1000, unit + 1 < units.count { (value, unit) = (value / 1000, unit + 1) }
        return value >= 10 ? "\(Int(value)) \(units[unit])" : "\(Double(Int(value * 10)) / 10) \(units[unit])"
    }
}
