import PipelineKit
import Sandbox
import Testing

@Suite("PostgresSandbox", .timeLimit(.minutes(4)))
struct PostgresSandboxTests {
    @Test("the handed-out role owns its database and is no superuser")
    func plainOwner() throws {
        let sandbox = try PostgresSandbox()
        defer { sandbox.destroy() }
        let sql =
            "SELECT rolsuper OR rolcreatedb OR rolcreaterole, current_database() FROM pg_roles WHERE rolname = user"
        #expect(try sandbox.query(sql, role: "tweets") == "f|tweets")
        try sandbox.query("CREATE TABLE t (a int); INSERT INTO t VALUES (1)", role: "tweets")
        #expect(sandbox.url() == "postgresql://tweets@127.0.0.1:\(sandbox.port)/tweets")
    }

    @Test("committed rows survive every way of stopping", arguments: [PostgresSandbox.StopMode.fast, .immediate])
    func restart(mode: PostgresSandbox.StopMode) throws {
        let sandbox = try PostgresSandbox()
        defer { sandbox.destroy() }
        try sandbox.query("CREATE TABLE t AS SELECT 42 AS a")
        sandbox.stop(mode)
        #expect(!sandbox.isRunning)
        #expect(throws: Failure.self) { try sandbox.query("SELECT 1") }
        try sandbox.start()
        #expect(try sandbox.query("SELECT a FROM t") == "42")
        #expect(sandbox.log.contains("automatic recovery") == (mode == .immediate))
    }

    @Test("a settings mistake is told in the server's words")
    func badSetting() {
        #expect {
            try PostgresSandbox(settings: ["no_such_setting": "1"])
        } throws: { error in
            "\(error)".contains("no_such_setting")
        }
    }

    @Test("fsync is what was asked for", arguments: [true, false])
    func fsync(isOn: Bool) throws {
        let sandbox = try PostgresSandbox(fsync: isOn)
        defer { sandbox.destroy() }
        #expect(try sandbox.query("SHOW fsync") == (isOn ? "on" : "off"))
    }

    @Test("databases of one cluster are apart")
    func databases() throws {
        let sandbox = try PostgresSandbox()
        defer { sandbox.destroy() }
        let url = try sandbox.createDatabase("other")
        #expect(url.hasSuffix("/other"))
        try sandbox.query("CREATE TABLE t (a int)", database: "other", role: "tweets")
        #expect(throws: Failure.self) { try sandbox.query("SELECT * FROM t", database: "tweets") }
    }
}
