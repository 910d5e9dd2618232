import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(4))) struct PostgresFaultTests {
    @Test(arguments: ["copy_end", "commit", "committed"])
    func f59ALoaderThatIsKilledLosesAndDoublesNothing(point: String) throws {
        let bench = try LoaderBench()
        try bench.noteInsertions()
        try bench.publish(1...500)
        let killed = try bench.start("killed", ["--max-rows", "60"], environment: ["TWEET_FAILPOINT": "\(point):3"])
        #expect(killed.wait(timeout: .seconds(120)) == .signal(SIGKILL), "\(bench.logged("killed"))")
        #expect(bench.stored < 500)
        try bench.start("next", isNewGroup: true)
        try bench.expectAll(500)
    }

    @Test func f60AServerThatCrashesDuringCopyIsWaitedFor() throws {
        let postgres = try PostgresSandbox()
        defer { postgres.destroy() }
        let bench = try LoaderBench(postgres: postgres)
        try bench.noteInsertions()
        try bench.start()
        try bench.publish(1...200)
        try bench.expectAll(200)
        let lock = try bench.session("LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
        try bench.publish(201...400)
        #expect(
            bench.wait {
                bench.number(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tweets' AND wait_event_type = 'Lock'") > 0
            })
        let start = ContinuousClock.now
        postgres.stop(.immediate)
        #expect(bench.wait { bench.logged().contains("PostgreSQL is unreachable") }, "\(bench.logged())")
        try bench.publish(401...600)
        // It tries again after 0.1 s, 0.2 s, 0.4 s at most: some of its attempts find nobody.
        usleep(1_000_000)
        try postgres.start()
        let outage = start.duration(to: .now) / .milliseconds(1)
        try bench.expectAll(600)
        // What the loader calls the outage ends at most 10 s after the server is there.
        let told = try #require(
            bench.logged().split(separator: "PostgreSQL accepts rows again; loading continues after_ms=").dropFirst()
                .first)
        #expect(try #require(Double(told.prefix { $0.isNumber })) < outage + 10_000)
        withExtendedLifetime(lock) {}
    }

    @Test func f61SessionsThatAreTerminatedAgainAndAgainOnlyCostTime() throws {
        let bench = try LoaderBench()
        try bench.noteInsertions()
        try bench.start("loader", ["--max-rows", "50"])
        for round in 0..<15 {
            let first = Int64(round) * 100 + 1
            try bench.publish(first..<(first + 100))
            #expect(bench.wait { try bench.terminateSessions() > 0 }, "\(bench.logged())")
            let before = bench.stored
            #expect(bench.wait { bench.stored > min(before, first + 98) }, "\(bench.logged())")
        }
        try bench.expectAll(1500)
    }

    @Test(arguments: [PostgresProxy.Fault.cutBeforeCommit, .cutAfterCommit])
    func f62TheOutcomeOfACommitIsReadBack(fault: PostgresProxy.Fault) throws {
        let bench = try LoaderBench()
        let proxy = try PostgresProxy(to: bench.postgres.port)
        defer { proxy.end() }
        try bench.noteInsertions()
        bench.url = "postgresql://tweets@127.0.0.1:\(proxy.port)/\(bench.database)"
        try bench.start("loader", ["--max-rows", "50"])
        try bench.publish(1...100)
        try bench.expectAll(100)
        for round in 1...3 as ClosedRange<Int64> {
            proxy.arm(fault)
            try bench.publish((round * 100 + 1)...(round * 100 + 100))
            try bench.expectAll(round * 100 + 100)
            #expect(proxy.struck == Int(round))
        }
    }

    /// The socket stays open and nothing comes any more: only the client's own deadline ends the wait.
    @Test func f63ABlackHoleIsLeftAfterTheDeadline() throws {
        let bench = try LoaderBench()
        let proxy = try PostgresProxy(to: bench.postgres.port)
        defer { proxy.end() }
        try bench.noteInsertions()
        bench.url = "postgresql://tweets@127.0.0.1:\(proxy.port)/\(bench.database)"
        try bench.start("loader", ["--database-timeout", "2s"])
        try bench.publish(1...100)
        try bench.expectAll(100)
        proxy.arm(.blackHole)
        try bench.publish(101...200)
        let start = ContinuousClock.now
        #expect(bench.wait { bench.logged().contains("no answer in time") }, "\(bench.logged())")
        try bench.expectAll(200)
        // The server ends the transaction that nobody ends after 10 s at the latest; until then it holds the offsets.
        #expect(ContinuousClock.now - start < .seconds(60))
    }

    /// The replica has not received the last rows when it is promoted: what the loader knew as committed is gone.
    @Test func f64AfterAFailOverToALaggingReplicaTheLostRowsAreLoadedAgain() throws {
        let primary = try PostgresSandbox()
        defer { primary.destroy() }
        let bench = try LoaderBench(postgres: primary)
        let replica = try PostgresSandbox(replicaOf: primary)
        defer { replica.destroy() }
        bench.url =
            "host=127.0.0.1,127.0.0.1 port=\(primary.port),\(replica.port) user=tweets dbname=\(bench.database)"
        try bench.start("loader", ["--max-rows", "100"])
        try bench.publish(1...200)
        try bench.expectAll(200)
        func onReplica(_ sql: String) -> String { (try? replica.query(sql, database: bench.database)) ?? "" }
        #expect(bench.wait { onReplica("SELECT count(*) FROM tweets") == "200" })
        #expect(bench.wait { onReplica("SELECT sum(next_offset) FROM loader_offsets") == "200" })
        _ = onReplica("ALTER SYSTEM SET primary_conninfo = ''")
        _ = onReplica("SELECT pg_reload_conf()")
        #expect(bench.wait { onReplica("SELECT count(*) FROM pg_stat_wal_receiver") == "0" })
        try bench.publish(201...400)
        try bench.expectAll(400)
        #expect(onReplica("SELECT count(*) FROM tweets") == "200", "else this shows nothing")

        try bench.query("ALTER SYSTEM SET default_transaction_read_only = on")
        primary.stop(.immediate)
        _ = onReplica("SELECT pg_promote()")
        // Nothing new has to come for the loss to be noticed.
        #expect(bench.wait { onReplica("SELECT count(*) FROM tweets") == "400" }, "\(bench.logged())")
        #expect(bench.logged().contains("PostgreSQL has lost committed rows"))
        // The old primary is back, first in the list and read-only: it is left again.
        try primary.start()
        _ = onReplica("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tweets'")
        try bench.publish(401...500)
        #expect(
            bench.wait { onReplica("SELECT count(*), count(DISTINCT id) FROM tweets") == "500|500" },
            "\(bench.logged())")
        #expect(onReplica("SELECT count(*) FROM rejects") == "0")
        #expect(try bench.run(["verify"]).contains("500 numbered, 500 settled, none missing"))
        #expect(bench.stored == 400, "the old primary got nothing more")
    }

    @Test func f65TooManyConnectionsAreWaitedFor() throws {
        let postgres = try PostgresSandbox(settings: [
            "max_connections": "12", "superuser_reserved_connections": "6", "max_wal_senders": "2",
        ])
        defer { postgres.destroy() }
        let bench = try LoaderBench(postgres: postgres)
        try bench.noteInsertions()
        try bench.start()
        try bench.publish(1...100)
        try bench.expectAll(100)
        try bench.query("ALTER ROLE tweets CONNECTION LIMIT 0")
        try bench.terminateSessions()
        try bench.publish(101...200)
        #expect(bench.wait { bench.logged().contains("too_many_connections") }, "\(bench.logged())")
        #expect(bench.stored == 100)
        try bench.query("ALTER ROLE tweets CONNECTION LIMIT -1")
        try bench.expectAll(200)
    }

    /// 57014 by the loader's own limit, 55P03 by the lock_timeout of the role.
    @Test(arguments: ["query_canceled", "lock_not_available"])
    func f65ALockThatIsHeldIsWaitedFor(condition: String) throws {
        let bench = try LoaderBench()
        try bench.noteInsertions()
        if condition == "lock_not_available" {
            try bench.query("ALTER DATABASE \(bench.database) SET lock_timeout = '300ms'")
        }
        try bench.start("loader", ["--database-timeout", "1s"])
        try bench.publish(1...100)
        try bench.expectAll(100)
        let lock = try bench.session("LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
        try bench.publish(101...200)
        #expect(bench.wait { bench.logged().contains(condition) }, "\(bench.logged())")
        #expect(try bench.waitForAttempts(2), "\(bench.logged())")
        try lock.execute("COMMIT")
        try bench.expectAll(200)
    }

    /// A transaction may take longer than Kafka's group waits to be asked for messages.
    @Test func f65ALongWaitForALockKeepsTheMembership() throws {
        let bench = try LoaderBench(partitions: 1)
        try bench.start(
            "loader", ["--database-timeout", "60s", "--max-rows", "100", "-X", "max.poll.interval.ms=4000"])
        try bench.publish(1...100)
        try bench.expectAll(100)
        let lock = try bench.session("LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
        try bench.publish(101...600)
        // Half as long again as a member may take that does not ask.
        usleep(6_000_000)
        try lock.execute("COMMIT")
        try bench.expectAll(600)
        #expect(bench.logged().matches(of: /Kafka's group changed/).count == 1, "\(bench.logged())")
    }

    /// Each row takes 10 ms, so that 500 do not fit into a second: half of them, a quarter, ... do.
    @Test func f65AStatementTimeOutLeadsToSmallerTransactions() throws {
        let bench = try LoaderBench(partitions: 1)
        try bench.query(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END'"
        )
        try bench.query("CREATE TRIGGER slow BEFORE INSERT ON tweets FOR EACH ROW EXECUTE FUNCTION slow()")
        try bench.publish(1...500)
        try bench.start("loader", ["--database-timeout", "1s", "--max-age", "2s"])
        try bench.expectAll(500)
        #expect(bench.logged().contains("query_canceled"), "else this shows nothing")
        #expect(!bench.logged().contains("ERROR"))
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a file system needs root"))
    func f65AFullDiskIsWaitedFor() throws {
        let postgres = try PostgresSandbox()
        defer { postgres.destroy() }
        let bench = try LoaderBench(postgres: postgres)
        try bench.noteInsertions()
        let disk = try SmallDisk(mebibytes: 48, user: "postgres")
        defer { withExtendedLifetime(disk) {} }
        try bench.query("CREATE TABLESPACE \(bench.database) LOCATION '\(disk.path)'")
        try bench.query("GRANT CREATE ON TABLESPACE \(bench.database) TO tweets")
        try bench.query("ALTER DATABASE \(bench.database) SET default_tablespace = \(bench.database)")
        try bench.start("loader", ["--max-rows", "200"])
        try bench.publish(1...100)
        try bench.expectAll(100)
        disk.fill()
        // Text that does not compress, so that the table must grow.
        func noise(_ number: Int64) -> String {
            var random = SplitMix64(seed: UInt64(number))
            return String((0..<2000).map { _ in Character(Unicode.Scalar(UInt8.random(in: 97...122, using: &random))) })
        }
        try bench.publish(101...1000, text: noise)
        #expect(
            bench.wait { bench.logged().contains("disk_full") || bench.logged().contains("53100") }, "\(bench.logged())"
        )
        #expect(bench.stored < 1000)
        disk.empty()
        try bench.expectAll(1000)
    }
}
