import Core
import Digests
import KafkaClient
import LogShipping
import Postgres

/// Finds what would keep the loader from working, or weaken its guarantees. Reads only.
struct LoaderDoctor {
    let settings: LoaderSettings

    private var kafkaDoctor: KafkaDoctor {
        KafkaDoctor(settings.kafka, topics: settings.topics, createsTopics: false)
    }

    /// What a loader needs at most (docs/operations.md, "Memory"): six times MAX_BYTES, and all that does not depend on it.
    private var memory: Int64 { 6 * Int64(settings.limits.bytes) + (184 << 20) }

    /// What needs no network.
    var local: [DoctorFinding] {
        var findings = PasswordFileDoctor(settings.conninfo).findings
        if let path = settings.listen?.tokenFile { findings.append(.secretFile("status token", path)) }
        return findings + kafkaDoctor.local + (settings.logs.map { ReceiverDoctor($0).local } ?? [])
            + DoctorFinding.system(memory: memory)
    }

    /// What PostgreSQL, Kafka and the receiver of the log say.
    ///
    /// - Parameter now: the time.
    /// - Returns: what was found.
    func remote(now: Timestamp = .now()) -> [DoctorFinding] {
        postgres(now) + [settings.conninfo.addressFinding].compactMap { $0 } + kafka(now)
            + (settings.logs.map { [ReceiverDoctor($0).remote(now: now)] } ?? [])
    }

    // MARK: PostgreSQL

    func postgres(_ now: Timestamp = .now()) -> [DoctorFinding] {
        do {
            let connection = try PostgresConnection.connect(settings.conninfo, role: .any)
            let schema = try schema(connection)
            var findings =
                [
                    .ok("postgresql", connection.place), try version(connection), try writer(connection),
                    try pooling(connection), schema, try timeouts(connection),
                ] + (try durability(connection)) + (try rights(connection))
            let found = connection.encryption
            findings += ServerDoctor.postgres(
                host: found.host, port: found.port, version: found.version, mode: found.mode,
                clientCertificate: found.certificate, now: now)
            return schema.status == .ok ? findings + (try DatabaseDoctor(connection).findings()) : findings
        } catch let error as PostgresError {
            let error = DatabaseError(error, settings.conninfo)
            return [.fail("postgresql", error.description, remedy: "see docs/operations.md", error.disposition)]
        } catch {
            return [.fail("postgresql", "\(error)", remedy: "see docs/operations.md", .wait)]
        }
    }

    private func text(_ sql: String, _ connection: borrowing PostgresConnection) throws(PostgresError) -> String {
        let answer = try connection.query(sql, doing: "ask PostgreSQL")
        return answer.rowCount > 0 ? answer.text(0, 0) ?? "" : ""
    }

    private func version(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DoctorFinding {
        let number = Int(try text("SELECT current_setting('server_version_num')", connection)) ?? 0
        guard !(14...18).contains(number / 10_000) else { return .ok("version", "PostgreSQL \(number / 10_000)") }
        return .warning("version", "PostgreSQL \(number / 10_000) was not tested", remedy: "use 14 to 18")
    }

    private func writer(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DoctorFinding {
        if try text("SELECT pg_is_in_recovery()", connection) == "t" {
            return .fail(
                "writer", "the server is a standby",
                remedy: "use the writer's address, or several with target_session_attrs")
        }
        if try text("SELECT current_setting('transaction_read_only')", connection) == "on" {
            return .fail(
                "writer", "transactions are read-only (default_transaction_read_only)",
                remedy: "ALTER ROLE or ALTER DATABASE ... RESET default_transaction_read_only")
        }
        return .ok("writer", "the server accepts writes")
    }

    /// Two connections of a direct or a session-pooled server have servers of their own, also while none of them works.
    private func pooling(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DoctorFinding {
        let pid = "SELECT pg_backend_pid()"
        let first = try text(pid, connection)
        let second = try text(pid, PostgresConnection.connect(settings.conninfo, role: .any))
        guard first == second else { return .ok("pooling", "each connection has a server of its own") }
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

    private func durability(_ connection: borrowing PostgresConnection) throws -> [DoctorFinding] {
        do { try DatabaseEncoding.check(connection) } catch let error as DatabaseError {
            return [.fail("encoding", error.description, remedy: "createdb -E UTF8 -T template0", error.disposition)]
        }
        let findings = try connection.findings()
        guard !findings.isEmpty else { return [.ok("durability", "no setting weakens the guarantees")] }
        return findings.map { found in
            let remedy = "change it where it is set: \(found.source)"
            return found.isError
                ? .fail("durability", found.description, remedy: remedy)
                : .warning("durability", found.description, remedy: remedy)
        }
    }

    /// The loader sets its own; psql and other tools of the role do not.
    private func timeouts(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DoctorFinding {
        let found = try text(
            """
            SELECT string_agg(c, ', ') FROM pg_db_role_setting s, unnest(s.setconfig) c
            WHERE (s.setrole = 0 OR s.setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user))
                AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
                AND c ~ '^(statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout)='
                AND c !~ '=0(ms|s)?$'
            """, connection)
        guard !found.isEmpty else { return .ok("timeouts", "the role and the database set none") }
        return .warning(
            "timeouts", "set for the role or the database: \(found)",
            remedy: "DATABASE_TIMEOUT is what counts for run; ALTER ROLE ... RESET it for long queries of your own")
    }

    private func rights(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [DoctorFinding] {
        let answer = try connection.query(
            """
            SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
            FROM pg_class c
            WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('schema_version'))
                AND c.relkind IN ('r', 'p')
                AND c.relname IN ('tweets', 'users', 'rejects', 'loader_offsets', 'stream_events', 'stream_ledger', 'stream_state')
                AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
            """, doing: "look at the rights")
        if let tables = answer.text(0, 0) {
            return [
                .fail(
                    "rights", "no right to read and write \(tables)",
                    remedy: "GRANT the owner of the tables to the role",
                    .operator(.credentials))
            ]
        }
        return [.ok("rights", "the role may write the tables")]
    }

    // MARK: The whole way

    /// Waits for the next heartbeat of any producer, which proves the way from a journal to PostgreSQL.
    ///
    /// - Parameter patience: more than the producers' HEARTBEAT.
    /// - Returns: what was found.
    func probe(patience: Duration) -> DoctorFinding {
        let deadline = ContinuousClock.now + patience
        do {
            let connection = try PostgresConnection.connect(settings.conninfo, role: .any)
            let newest = try text("SELECT coalesce(max(settled_at), '-infinity')::text FROM stream_state", connection)
            while true {
                let found = try connection.query(
                    """
                    SELECT stream, round(extract(epoch FROM settled_at - alive_at), 1)::text FROM stream_state
                    WHERE settled_at > $1::timestamptz ORDER BY settled_at LIMIT 1
                    """, [newest], doing: "wait for a heartbeat")
                if found.rowCount == 1 {
                    let (stream, seconds) = (found.text(0, 0) ?? "", found.text(0, 1) ?? "")
                    return .ok("probe", "a heartbeat of stream \(stream) was in PostgreSQL after \(seconds) s")
                }
                guard ContinuousClock.now < deadline else { break }
                Stop().wait(for: .milliseconds(250))
            }
        } catch { return .fail("probe", "\(error)", remedy: "see postgresql", .wait) }
        return .fail(
            "probe", "no heartbeat has come within \(patience.short)",
            remedy: "tweet-producer health and tweet-loader health name the part that hangs; HEARTBEAT=off writes none",
            .wait)
    }

    // MARK: Kafka

    func kafka(_ now: Timestamp = .now()) -> [DoctorFinding] {
        let encryption = kafkaDoctor.encryption
        let servers = ServerDoctor.kafka(
            settings.kafka.bootstrapServers, hasTLS: encryption.hasTLS, clientCertificate: encryption.certificate,
            now: now)
        let found = kafkaDoctor.remote(group: settings.group)
        let brokers = ServerDoctor.brokers(
            found.brokers, beside: settings.kafka.bootstrapServers, hasTLS: encryption.hasTLS, now: now)
        guard !found.partitions.isEmpty else { return servers + brokers + found.findings }
        return servers + brokers + found.findings
            + BacklogDoctor(settings).findings(keeping: found.retention, now: now)
    }
}
