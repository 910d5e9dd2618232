import Core
import Glibc
import Sandbox
import TestSupport
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

    @Test("a port that somebody takes while the server is stopped is waited for")
    func takenPort() throws {
        let sandbox = try PostgresSandbox()
        defer { sandbox.destroy() }
        let port = sandbox.port
        sandbox.stop()
        let thief = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let isTaken = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(thief, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 && listen(thief, 1) == 0
            }
        }
        #expect(isTaken)
        let log = sandbox.log.utf8.count
        let releaser = JoinableThread(name: "releaser") {
            _ = eventually {
                String(decoding: sandbox.log.utf8.dropFirst(log), as: UTF8.self).contains("Address already in use")
            }
            close(thief)
        }
        try sandbox.start()
        releaser.join()
        #expect(sandbox.port == port)
        #expect(try sandbox.query("SELECT 1") == "1")
    }

    @Test("two calls never get the same port")
    func ports() throws {
        var ports: Set<Int> = []
        for _ in 0..<100 { #expect(ports.insert(try freePort()).inserted) }
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
