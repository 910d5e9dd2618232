import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

@Suite(.ownThreads, .timeLimit(.minutes(4))) struct PostgresFaultTests {
    @Test(arguments: ["copy_end", "commit", "committed"])
    func f59ALoaderThatIsKilledLosesAndDoublesNothing(point: String) throws {
        let loaders = try LoaderRun()
        try loaders.noteInsertions()
        try loaders.publish(1...500)
        let killed = try loaders.start("killed", ["--max-rows", "60"], environment: ["TWEET_FAILPOINT": "\(point):3"])
        #expect(killed.wait(timeout: .seconds(120)) == .signal(SIGKILL), "\(loaders.logged("killed"))")
        #expect(loaders.stored < 500)
        try loaders.start("next", isNewGroup: true)
        try loaders.expectAll(500)
    }

    @Test func f60AServerThatCrashesDuringCopyIsWaitedFor() throws {
        let postgres = try PostgresSandbox()
        defer { postgres.destroy() }
        let loaders = try LoaderRun(postgres: postgres)
        try loaders.noteInsertions()
        try loaders.start()
        try loaders.publish(1...200)
        try loaders.expectAll(200)
        let lock = try loaders.session("LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
        try loaders.publish(201...400)
        #expect(
            loaders.wait {
                loaders.number(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tweets' AND wait_event_type = 'Lock'") > 0
            })
        let start = ContinuousClock.now
        postgres.stop(.immediate)
        #expect(loaders.wait { loaders.logged().contains("PostgreSQL is unreachable") }, "\(loaders.logged())")
        try loaders.publish(401...600)
        // It tries again after 0.1 s, 0.2 s, 0.4 s at most: some of its attempts find nobody.
        endure(.seconds(1))
        try postgres.start()
        let outage = start.duration(to: .now) / .milliseconds(1)
        try loaders.expectAll(600)
        // What the loader calls the outage ends at most 10 s after the server is there.
        let told = try #require(
            loaders.logged().split(separator: "PostgreSQL accepts rows again; loading continues after_ms=").dropFirst()
                .first)
        #expect(try #require(Double(told.prefix { $0.isNumber })) < outage + 10_000)
        withExtendedLifetime(lock) {}
    }

    @Test func f61SessionsThatAreTerminatedAgainAndAgainOnlyCostTime() throws {
        let loaders = try LoaderRun()
        try loaders.noteInsertions()
        try loaders.start("loader", ["--max-rows", "50"])
        for round in 0..<15 {
            let first = Int64(round) * 100 + 1
            try loaders.publish(first..<(first + 100))
            #expect(loaders.wait { try loaders.terminateSessions() > 0 }, "\(loaders.logged())")
            let before = loaders.stored
            #expect(loaders.wait { loaders.stored > min(before, first + 98) }, "\(loaders.logged())")
        }
        try loaders.expectAll(1500)
    }

    @Test(arguments: [PostgresProxy.Fault.cutBeforeCommit, .cutAfterCommit])
    func f62TheOutcomeOfACommitIsReadBack(fault: PostgresProxy.Fault) throws {
        let loaders = try LoaderRun()
        let proxy = try PostgresProxy(to: loaders.postgres.port)
        defer { proxy.end() }
        try loaders.noteInsertions()
        loaders.url = "postgresql://tweets@127.0.0.1:\(proxy.port)/\(loaders.database)"
        try loaders.start("loader", ["--max-rows", "50"])
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        for round in 1...3 as ClosedRange<Int64> {
            proxy.arm(fault)
            try loaders.publish((round * 100 + 1)...(round * 100 + 100))
            try loaders.expectAll(round * 100 + 100)
            #expect(proxy.struck == Int(round))
        }
    }

    /// The socket stays open and nothing comes any more: only the client's own deadline ends the wait.
    @Test func f63ABlackHoleIsLeftAfterTheDeadline() throws {
        let loaders = try LoaderRun()
        let proxy = try PostgresProxy(to: loaders.postgres.port)
        defer { proxy.end() }
        try loaders.noteInsertions()
        loaders.url = "postgresql://tweets@127.0.0.1:\(proxy.port)/\(loaders.database)"
        try loaders.start("loader", ["--database-timeout", "2s"])
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        proxy.arm(.blackHole)
        try loaders.publish(101...200)
        let start = ContinuousClock.now
        #expect(loaders.wait { loaders.logged().contains("no answer in time") }, "\(loaders.logged())")
        try loaders.expectAll(200)
        // The server ends the transaction that nobody ends after 10 s at the latest; until then it holds the offsets.
        #expect(ContinuousClock.now - start < .seconds(60))
    }

    /// The replica has not received the last rows when it is promoted: what the loader knew as committed is gone.
    @Test func f64AfterAFailOverToALaggingReplicaTheLostRowsAreLoadedAgain() throws {
        let primary = try PostgresSandbox()
        defer { primary.destroy() }
        let loaders = try LoaderRun(postgres: primary)
        let replica = try PostgresSandbox(replicaOf: primary)
        defer { replica.destroy() }
        loaders.url =
            "host=127.0.0.1,127.0.0.1 port=\(primary.port),\(replica.port) user=tweets dbname=\(loaders.database)"
        try loaders.start("loader", ["--max-rows", "100"])
        try loaders.publish(1...200)
        try loaders.expectAll(200)
        func onReplica(_ sql: String) -> String { (try? replica.query(sql, database: loaders.database)) ?? "" }
        stopReceiving(loaders, onReplica, rows: 200)
        try loaders.publish(201...400)
        try loaders.expectAll(400)
        #expect(onReplica("SELECT count(*) FROM tweets") == "200", "else this shows nothing")

        try loaders.query("ALTER SYSTEM SET default_transaction_read_only = on")
        primary.stop(.immediate)
        expectLoadedAgain(loaders, onReplica, rows: 400)
        // The old primary runs again, first in the list and read-only: the loader leaves it again.
        try primary.start()
        _ = onReplica("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tweets'")
        try loaders.publish(401...500)
        #expect(
            loaders.wait { onReplica("SELECT count(*), count(DISTINCT id) FROM tweets") == "500|500" },
            "\(loaders.logged())")
        #expect(onReplica("SELECT count(*) FROM rejects") == "0")
        #expect(try loaders.run(["verify"]).contains("500 numbered, 500 settled, none missing"))
        #expect(loaders.stored == 400, "the old primary got nothing more")
    }

    /// Promotes the replica; nothing new has to come for the loss to be noticed.
    private func expectLoadedAgain(_ loaders: LoaderRun, _ onReplica: (String) -> String, rows: Int) {
        _ = onReplica("SELECT pg_promote()")
        #expect(loaders.wait { onReplica("SELECT count(*) FROM tweets") == "\(rows)" }, "\(loaders.logged())")
        #expect(loaders.logged().contains("PostgreSQL has lost committed rows"))
    }

    /// Waits until the replica has so many rows and their offsets, and lets it receive nothing more.
    private func stopReceiving(_ loaders: LoaderRun, _ onReplica: (String) -> String, rows: Int) {
        #expect(loaders.wait { onReplica("SELECT count(*) FROM tweets") == "\(rows)" })
        #expect(loaders.wait { onReplica("SELECT sum(next_offset) FROM loader_offsets") == "\(rows)" })
        _ = onReplica("ALTER SYSTEM SET primary_conninfo = ''")
        _ = onReplica("SELECT pg_reload_conf()")
        #expect(loaders.wait { onReplica("SELECT count(*) FROM pg_stat_wal_receiver") == "0" })
    }

    @Test func f65TooManyConnectionsAreWaitedFor() throws {
        let postgres = try PostgresSandbox(settings: [
            "max_connections": "12", "superuser_reserved_connections": "6", "max_wal_senders": "2",
        ])
        defer { postgres.destroy() }
        let loaders = try LoaderRun(postgres: postgres)
        try loaders.noteInsertions()
        try loaders.start()
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        try loaders.query("ALTER ROLE tweets CONNECTION LIMIT 0")
        try loaders.terminateSessions()
        try loaders.publish(101...200)
        #expect(loaders.wait { loaders.logged().contains("too_many_connections") }, "\(loaders.logged())")
        #expect(loaders.stored == 100)
        try loaders.query("ALTER ROLE tweets CONNECTION LIMIT -1")
        try loaders.expectAll(200)
    }

    /// 57014 by the loader's own limit, 55P03 by the lock_timeout of the role.
    @Test(arguments: ["query_canceled", "lock_not_available"])
    func f65ALockThatIsHeldIsWaitedFor(condition: String) throws {
        let loaders = try LoaderRun()
        try loaders.noteInsertions()
        if condition == "lock_not_available" {
            try loaders.query("ALTER DATABASE \(loaders.database) SET lock_timeout = '300ms'")
        }
        try loaders.start("loader", ["--database-timeout", "1s"])
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        let lock = try loaders.session("LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
        try loaders.publish(101...200)
        #expect(loaders.wait { loaders.logged().contains(condition) }, "\(loaders.logged())")
        #expect(try loaders.waitForAttempts(2), "\(loaders.logged())")
        try lock.execute("COMMIT")
        try loaders.expectAll(200)
    }

    /// A transaction may take longer than Kafka's group waits to be asked for messages.
    @Test func f65ALongWaitForALockKeepsTheMembership() throws {
        let loaders = try LoaderRun(partitions: 1)
        try loaders.start(
            "loader", ["--database-timeout", "60s", "--max-rows", "100", "-X", "max.poll.interval.ms=4000"])
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        let lock = try loaders.session("LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
        try loaders.publish(101...600)
        // Half as long again as a member may take that does not ask.
        endure(.seconds(6))
        try lock.execute("COMMIT")
        try loaders.expectAll(600)
        #expect(loaders.logged().matches(of: /Kafka's group changed/).count == 1, "\(loaders.logged())")
    }

    /// Each row takes 10 ms, so that 500 do not fit into a second: half of them, a quarter, ... do.
    @Test func f65AStatementTimeOutLeadsToSmallerTransactions() throws {
        let loaders = try LoaderRun(partitions: 1)
        try loaders.query(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END'"
        )
        try loaders.query("CREATE TRIGGER slow BEFORE INSERT ON tweets FOR EACH ROW EXECUTE FUNCTION slow()")
        try loaders.publish(1...500)
        try loaders.start("loader", ["--database-timeout", "1s", "--max-age", "2s"])
        try loaders.expectAll(500)
        #expect(loaders.logged().contains("query_canceled"), "else this shows nothing")
        #expect(!loaders.logged().contains("ERROR"))
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a file system needs root"))
    func f65AFullDiskIsWaitedFor() throws {
        let postgres = try PostgresSandbox()
        defer { postgres.destroy() }
        let loaders = try LoaderRun(postgres: postgres)
        try loaders.noteInsertions()
        let disk = try SmallDisk(mebibytes: 48, user: "postgres")
        defer { withExtendedLifetime(disk) {} }
        try loaders.query("CREATE TABLESPACE \(loaders.database) LOCATION '\(disk.path)'")
        try loaders.query("GRANT CREATE ON TABLESPACE \(loaders.database) TO tweets")
        try loaders.query("ALTER DATABASE \(loaders.database) SET default_tablespace = \(loaders.database)")
        try loaders.start("loader", ["--max-rows", "200"])
        try loaders.publish(1...100)
        try loaders.expectAll(100)
        disk.fill()
        // Text that does not compress, so that the table must grow.
        func noise(_ number: Int64) -> String {
            var random = SplitMix64(seed: UInt64(number))
            return String((0..<2000).map { _ in Character(Unicode.Scalar(UInt8.random(in: 97...122, using: &random))) })
        }
        try loaders.publish(101...1000, text: noise)
        #expect(
            loaders.wait { loaders.logged().contains("disk_full") || loaders.logged().contains("53100") },
            "\(loaders.logged())"
        )
        #expect(loaders.stored < 1000)
        disk.empty()
        try loaders.expectAll(1000)
    }
}
