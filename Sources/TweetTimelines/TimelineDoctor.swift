import Core
import Digests
import Journal
import KafkaClient
import LogShipping
import Postgres
import Publishing

/// Finds what would keep timelines from being read. Reads only.
struct TimelineDoctor {
    let settings: TimelineSettings

    private var kafkaDoctor: KafkaDoctor {
        let publish = settings.publish
        return KafkaDoctor(publish.kafka, topics: [publish.tweets.name, publish.events.name], createsTopics: true)
    }

    /// What needs no network.
    var local: [DoctorFinding] {
        var findings = [key, app, budget] + PasswordFileDoctor(settings.access.conninfo).findings + kafkaDoctor.local
        if let path = settings.listen?.tokenFile { findings.append(.secretFile("status token", path)) }
        findings += settings.logs.map { ReceiverDoctor($0).local } ?? []
        return findings + FolderDoctor(settings.journalFolder).findings + DoctorFinding.system(memory: 128 << 20)
    }

    /// What PostgreSQL, Kafka and the receiver of the log say.
    func remote(now: Timestamp) -> [DoctorFinding] {
        let addresses = [settings.access.conninfo.addressFinding].compactMap { $0 }
        let logs = settings.logs.map { [ReceiverDoctor($0).remote(now: now)] } ?? []
        return postgres(now) + addresses + kafka(now) + logs
    }

    private func kafka(_ now: Timestamp) -> [DoctorFinding] {
        let (servers, encryption) = (settings.publish.kafka.bootstrapServers, kafkaDoctor.encryption)
        let found = kafkaDoctor.remote()
        return ServerDoctor.kafka(
            servers, hasTLS: encryption.hasTLS, clientCertificate: encryption.certificate, now: now)
            + ServerDoctor.brokers(found.brokers, beside: servers, hasTLS: encryption.hasTLS, now: now)
            + found.findings
    }

    private var key: DoctorFinding {
        guard settings.access.key == nil else { return .ok("key", "the key file is readable for its owner only") }
        return .fail(
            "key", "TIMELINE_KEY_FILE is not set",
            remedy: "(umask 077; openssl rand -hex 32 > timelines.key), and keep a copy", .operator(.settings))
    }

    private var app: DoctorFinding {
        let access = settings.access
        guard access.client.id.isEmpty, access.consumer == nil else {
            return .ok("app", access.client.secret == nil ? "a public client" : "a confidential client")
        }
        return .fail(
            "app", "neither X_CLIENT_ID nor X_CONSUMER_KEY is set", remedy: "copy it from console.x.com",
            .operator(.settings))
    }

    private var budget: DoctorFinding {
        let limits = [settings.limits.perDay, settings.limits.perMonth, settings.postsPerDay]
        guard limits.allSatisfy({ $0 == nil }) else { return .ok("budget", "posts are limited") }
        return .warning(
            "budget", "no limit of posts: X charges for each one",
            remedy: "set MAX_POSTS_PER_DAY and TIMELINE_POSTS_PER_DAY")
    }

    private func postgres(_ now: Timestamp) -> [DoctorFinding] {
        do throws(PostgresError) {
            let connection = try PostgresConnection.connect(settings.access.conninfo, role: .any)
            let found = connection.encryption
            return [
                .ok("postgresql", connection.place), try pooling(connection), try schema(connection),
                try rights(connection), try storedKeys(connection),
            ]
                + ServerDoctor.postgres(
                    host: found.host, port: found.port, version: found.version, mode: found.mode,
                    clientCertificate: found.certificate, now: now)
        } catch {
            let failure = DatabaseError(error, settings.access.conninfo)
            return [.fail("postgresql", failure.description, remedy: "see docs/operations.md", failure.disposition)]
        }
    }

    /// LISTEN, by which a new token is noticed at once, needs a session of its own.
    private func pooling(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DoctorFinding {
        let other = try PostgresConnection.connect(settings.access.conninfo, role: .any)
        let pids = [
            try connection.query("SELECT pg_backend_pid()", doing: "ask PostgreSQL").integer(0, 0),
            try other.query("SELECT pg_backend_pid()", doing: "ask PostgreSQL").integer(0, 0),
        ]
        guard pids[0] == pids[1] else { return .ok("pooling", "each connection has a server of its own") }
        return .fail(
            "pooling", "two connections share a server: a pooler in transaction mode",
            remedy: "use session pooling, or no pooler")
    }

    private func schema(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DoctorFinding {
        do { try Migration.check(connection) } catch let error as DatabaseError {
            return .fail("schema", error.description, remedy: "tweet-loader migrate", error.disposition)
        } catch let error as PostgresError {
            throw error
        } catch {
            return .fail("schema", "\(error)", remedy: "tweet-loader migrate")
        }
        return .ok("schema", "known to this version")
    }

    private func rights(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DoctorFinding {
        let answer = try connection.query(
            """
            SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c
            WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('schema_version'))
                AND c.relkind IN ('r', 'p') AND c.relname ~ '^(x_accounts|x_tokens|x_token_keys|timelines|timeline_.*)$'
                AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
            """, doing: "look at the rights")
        guard let tables = answer.text(0, 0) else { return .ok("rights", "the role may write the tables") }
        return .fail(
            "rights", "no right to read and write \(tables)", remedy: "GRANT the owner of the tables to the role",
            .operator(.credentials))
    }

    /// Whether each token's key is one of this process, without registering a new one.
    private func storedKeys(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DoctorFinding {
        let checks = [settings.access.key, settings.access.oldKey].compactMap { $0.map { byteaLiteral($0.check) } }
        let answer = try connection.query(
            """
            SELECT count(*), count(*) FILTER (WHERE k.check_value <> ALL ($1::bytea[])) FROM x_tokens t
            JOIN x_token_keys k USING (key_id)
            """, [arrayLiteral(checks.map { Optional($0) })], doing: "look at the keys of tokens")
        let (all, foreign) = (answer.integer(0, 0) ?? 0, answer.integer(0, 1) ?? 0)
        guard foreign > 0 else { return .ok("tokens", "\(all) are encrypted with this key") }
        return .fail(
            "tokens", "\(foreign) of \(all) are encrypted with a different key",
            remedy: "restore the key file from its backup, or name the key before in TIMELINE_OLD_KEY_FILE",
            .operator(.settings))
    }
}
