import Harness
import TestSupport
import Testing

@testable import Core
@testable import Postgres
@testable import TweetLoader

@Suite("PostgresConnection", .ownThreads, .timeLimit(.minutes(4)))
struct PostgresConnectionTests {
    @Test("parameters and arrays come back as they went")
    func parameters() throws {
        let database = try TestDatabase(migrated: false)
        // A combining mark makes one `Character` with what is before it.
        let texts: [String?] = ["", "a\"b\\c", nil, "NULL", "{,}", "ä😀\n", "\"\u{301}\\\u{301}"]
        let answer = try database.query(
            "SELECT $1::text, array_to_json($2::text[]), array_to_json($3::bigint[]), encode($4::bytea, 'hex')",
            ["it's", arrayLiteral(texts), arrayLiteral([1, nil, -5] as [Int64?]), byteaLiteral([0, 255, 92])])
        let array = #"["","a\"b\\c",null,"NULL","{,}","ä😀\n","\"\#u{301}\\\#u{301}"]"#
        #expect(answer == [["it's", array, "[1,null,-5]", "00ff5c"]])
    }

    @Test("a NUL in a parameter is an error, never a shorter text")
    func nul() throws {
        let database = try TestDatabase(migrated: false)
        let error = #expect(throws: PostgresError.self) { try database.query("SELECT $1::text", ["a\0b"]) }
        #expect(error?.sqlstate == "22021")
    }

    @Test("errors tell SQLSTATE, table, column and constraint, and no value")
    func errors() throws {
        let database = try TestDatabase(migrated: false)
        let connection = try database.connect()
        try connection.execute("CREATE TABLE t (a text CONSTRAINT no_secret CHECK (a <> 'secret'), b int NOT NULL)")
        let check = #expect(throws: PostgresError.self) {
            try connection.execute("INSERT INTO t VALUES ('secret', 1)", doing: "insert")
        }
        #expect(check?.description == "insert: check_violation, table t, constraint no_secret (SQLSTATE 23514)")
        #expect(check?.disposition == .rejectRow)
        let null = #expect(throws: PostgresError.self) {
            try connection.execute("INSERT INTO t VALUES ('secret')", doing: "insert")
        }
        #expect(null?.column == "b")
        #expect(null?.serverMessage.contains("secret") == true)
        #expect(null?.description.contains("secret") == false)
        let table = #expect(throws: PostgresError.self) {
            try connection.execute("INSERT INTO nowhere VALUES (1)", doing: "insert")
        }
        #expect(table?.disposition == .refused)
        #expect(table?.description.contains("nowhere") == true)
        try connection.execute("SELECT 1")
    }

    @Test(
        "one table decides what to do",
        arguments: [
            ("08006", PostgresError.Disposition.wait), ("53300", .wait), ("55P03", .wait), ("57014", .split),
            ("57P01", .wait), ("58030", .wait), ("25006", .wait), ("40001", .retry), ("40P01", .retry),
            ("22P05", .rejectRow), ("23514", .rejectRow), ("54001", .rejectRow), ("28P01", .refused),
            ("3D000", .refused), ("42P01", .refused), ("42501", .refused),
        ])
    func disposition(sqlstate: String, expected: PostgresError.Disposition) throws {
        let database = try TestDatabase(migrated: false)
        let error = #expect(throws: PostgresError.self) {
            try database.query("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '\(sqlstate)'; END $$")
        }
        #expect(error?.sqlstate == sqlstate)
        #expect(error?.disposition == expected)
    }

    @Test("an unknown database and an unreachable server are told apart")
    func connecting() throws {
        let database = try TestDatabase(migrated: false)
        let unknown = #expect(throws: PostgresError.self) {
            _ = try PostgresConnection.connect(PostgresConninfo(database.url + "x"))
        }
        #expect(unknown?.sqlstate == "3D000")
        #expect(unknown?.disposition == .refused)
        let away = #expect(throws: PostgresError.self) {
            _ = try PostgresConnection.connect(PostgresConninfo("host=127.0.0.1 port=1 dbname=x"))
        }
        #expect(away?.sqlstate == nil)
        #expect(away?.disposition == .wait)
    }

    @Test("of several hosts the first that answers is taken")
    func severalHosts() throws {
        let database = try TestDatabase(migrated: false)
        let port = try #require(database.url.split(separator: ":").last?.split(separator: "/").first)
        let conninfo = try PostgresConninfo(
            "host=127.0.0.1,127.0.0.1 port=1,\(port) user=tweets dbname=\(database.name)")
        let connection = try PostgresConnection.connect(conninfo)
        #expect(try connection.query("SELECT current_database()", doing: "test").rows == [[database.name]])
    }

    @Test("a read-only server is left again, unless it is only for looking")
    func readOnly() throws {
        let database = try TestDatabase(migrated: false)
        _ = try database.superuser("ALTER DATABASE \(database.name) SET default_transaction_read_only = on")
        let error = #expect(throws: PostgresError.self) { _ = try database.connect() }
        #expect(error?.sqlstate == "25006")
        #expect(error?.disposition == .wait)
        #expect(error?.serverMessage == "default_transaction_read_only is on, set by ALTER DATABASE ... SET")
        _ = try PostgresConnection.connect(PostgresConninfo(database.url), role: .any)
    }

    @Test(
        "a connection string that is none ends with 78 and quotes nothing",
        arguments: [
            "postgres//u:geheim@h/d", "host=h geheim", "postgresql://u:geheim%zz@h/d", "hast=geheim",
        ])
    func badConninfo(text: String) {
        let failure = #expect(throws: SettingsError.self) { _ = try PostgresConninfo(text) }
        #expect(failure?.disposition == .operator(.settings))
        #expect(failure?.description.contains("geheim") == false)
        #expect(failure?.description.contains("DATABASE_URL") == true)
    }

    @Test(
        "a file of TLS that is missing is a matter of settings, with its path",
        arguments: ["sslrootcert", "sslcert", "sslkey"])
    func missingFile(option: String) throws {
        func message(_ text: String, _ environment: [String: String] = [:]) -> String? {
            let failure = #expect(throws: SettingsError.self) {
                _ = try PostgresConninfo(text, environment: environment)
            }
            #expect(failure?.disposition == .operator(.settings))
            return failure?.description
        }
        let named = message("host=h \(option)=/nowhere/file.pem")
        #expect(named?.contains("\(option): /nowhere/file.pem: No such file") == true)
        #expect(message("host=h", ["PG\(option.uppercased())": "/nowhere/b.pem"])?.contains("/nowhere/b.pem") == true)
        _ = try PostgresConninfo("host=h sslmode=disable \(option)=/nowhere/file.pem", environment: [:])
        _ = try PostgresConninfo("host=h \(option)=/dev/null", environment: ["PG\(option.uppercased())": "/nowhere"])
        _ = try PostgresConninfo("host=h sslrootcert=system", environment: [:])
    }

    @Test("the user's own timeouts and name win over the defaults, the encoding does not")
    func defaults() throws {
        let database = try TestDatabase(migrated: false)
        let plain = try PostgresConnection.connect(PostgresConninfo(database.url))
        let sql = "SELECT current_setting('application_name'), current_setting('client_encoding')"
        #expect(try plain.query(sql, doing: "test").rows == [["tweet-loader", "UTF8"]])
        let own = try PostgresConnection.connect(
            PostgresConninfo(database.url + "?application_name=mine&client_encoding=LATIN1"))
        #expect(try own.query(sql, doing: "test").rows == [["mine", "UTF8"]])
    }

    @Test("a terminated session is a lost connection that waiting heals")
    func terminated() throws {
        let database = try TestDatabase(migrated: false)
        let connection = try database.connect()
        let answer = try connection.query("SELECT pg_backend_pid()", doing: "test")
        let pid = answer.text(0, 0) ?? ""
        _ = try database.superuser("SELECT pg_terminate_backend(\(pid))")
        let error = #expect(throws: PostgresError.self) { try connection.execute("SELECT 1") }
        #expect(error?.isConnectionLost == true)
        #expect(error?.disposition == .wait)
    }

    @Test("an immediate stop ends the wait for an answer")
    func stop() throws {
        let database = try TestDatabase(migrated: false)
        let stop = Stop()
        let connection = try PostgresConnection.connect(PostgresConninfo(database.url), stop: stop)
        let start = ContinuousClock.now
        let waker = JoinableThread(name: "stop") { stop.raiseImmediately() }
        let error = #expect(throws: PostgresError.self) { try connection.execute("SELECT pg_sleep(300)") }
        waker.join()
        #expect(error?.isConnectionLost == true)
        // The server would end the statement after 60 s.
        #expect(ContinuousClock.now - start < .seconds(40))
    }

    @Test("a server that sends a byte now and then is out of time like one that sends none")
    func trickle() throws {
        let database = try TestDatabase(migrated: false)
        let proxy = try PostgresProxy(to: TestDatabase.port)
        var conninfo = try PostgresConninfo("host=127.0.0.1 port=\(proxy.port) user=tweets dbname=\(database.name)")
        conninfo.statementTimeout = .seconds(1)
        let connection = try PostgresConnection.connect(conninfo)
        try connection.execute("BEGIN")
        proxy.arm(.trickle)
        let start = ContinuousClock.now
        let error = #expect(throws: PostgresError.self) { try connection.execute("COMMIT") }
        #expect(error?.serverMessage == "no answer in time")
        #expect(error?.isConnectionLost == true)
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(proxy.struck == 1)
        proxy.end()
    }

    @Test(
        "what libpq can never use is a matter of settings, at once",
        arguments: [
            "sslmode=no-verify", "port=S3", "sslmode=require", "hostaddr=nowhere", "sslmode=verify-full",
            "service=nowhere", "target_session_attrs=any-way", "gssencmode=maybe", "connect_timeout=soon",
            "channel_binding=sure", "ssl_min_protocol_version=SSLv2",
        ])
    func localFailure(setting: String) throws {
        let database = try TestDatabase(migrated: false)
        // A setting that stands twice counts where it stands last.
        let text =
            "host=127.0.0.1 port=\(try TestDatabase.port) user=tweets dbname=\(database.name) "
            + "sslrootcert=/dev/null \(setting)"
        let error = #expect(throws: (any Error).self) { _ = try Loader.claiming(text) }
        let disposition = (error as? any DisposedError)?.disposition
        #expect(disposition == .operator(.settings), "\(String(describing: error))")
    }

    @Test(
        "libpq's own words are classified",
        arguments: [
            (
                "could not translate host name \"S3cretPw@127.0.0.1\" to address: Name or service not known",
                PostgresError.Disposition.refused
            ),
            ("could not translate host name \"db.example\" to address: Temporary failure in name resolution", .wait),
            ("connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection refused", .wait),
            ("connection to server at \"db\" (10.0.0.1), port 5432 failed: timeout expired", .wait),
            ("server closed the connection unexpectedly", .wait), ("no answer in time", .wait),
            ("SSL SYSCALL error: EOF detected", .wait), ("received invalid response to SSL negotiation: H", .wait),
            (
                "root certificate file \"/etc/ssl/rds.pem\" does not exist; Either provide the file or change sslmode",
                .refused
            ),
            ("could not read certificate file \"c.crt\": No such file or directory", .refused),
            ("could not load private key file \"c.key\": Permission denied", .refused),
            ("private key file \"c.key\" has group or world access; file must have permissions u=rw", .refused),
            ("SSL error: certificate verify failed", .refused),
            ("server certificate for \"a\" does not match host name \"b\"", .refused),
            ("fe_sendauth: no password supplied", .refused),
        ])
    func localTexts(message: String, expected: PostgresError.Disposition) {
        let error = PostgresError("connect", message: message, isConnectionLost: true)
        #expect(error.disposition == expected)
        #expect(error.isRefusedCredentials == message.contains("password supplied"))
    }
}
