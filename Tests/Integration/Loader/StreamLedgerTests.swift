import TestSupport
import Testing

@testable import TweetLoader

@Suite("StreamLedger", .ownThreads, .timeLimit(.minutes(4)))
struct StreamLedgerTests {
    private let database: TestDatabase
    private let name = JournalName(stream: "test", journal: "0a1b2c3d")

    init() throws {
        database = try TestDatabase()
    }

    @Test("batches of numbers in any order fold into what they settle together")
    func folding() throws {
        let connection = try database.connect()
        var ledger = StreamLedger()
        var random = SplitMix64(seed: 1)
        let numbers = (1...1000).map(Int64.init).filter { $0 % 97 != 0 }.shuffled(using: &random)
        for start in stride(from: 0, to: numbers.count, by: 50) {
            let part = RangeSet(numbers: numbers[start..<min(start + 50, numbers.count)])
            try StreamLedger.append([name: part], connection)
            if start % 200 == 0 { try ledger.fold(connection) }
            let settled = try StreamLedger.read(connection)[name]
            #expect(settled == RangeSet(numbers: numbers[..<min(start + 50, numbers.count)]))
        }
        try ledger.fold(connection)
        #expect(try database.query("SELECT count(*) FROM stream_ledger_pending") == [["0"]])
        #expect(
            try StreamLedger.read(connection)[name]?.missing == RangeSet(numbers: stride(from: 97, to: 1000, by: 97)))
        #expect(!ledger.isDue)
    }

    @Test("loaders that append and fold at once never wait for each other and lose nothing")
    func together() throws {
        let (database, name) = (self.database, self.name)
        let workers = (0..<4).map { worker in
            Background {
                let connection = try database.connect()
                try connection.execute("SET lock_timeout = '5s'")
                var ledger = StreamLedger()
                for round in 0..<50 {
                    let first = Int64(round * 4 + worker) * 10 + 1
                    try StreamLedger.append([name: RangeSet(numbers: first..<first + 10)], connection)
                    try ledger.fold(connection)
                }
            }
        }
        for worker in workers { try worker.join() }
        let connection = try database.connect()
        #expect(try StreamLedger.read(connection)[name] == RangeSet(1..<2001))
        var ledger = StreamLedger()
        try ledger.fold(connection)
        #expect(try database.query("SELECT settled FROM stream_ledger") == [["{[1,2001)}"]])
    }

    @Test("while one loader folds, another appends and does not fold")
    func locked() throws {
        let folding = try database.connect()
        let other = try database.connect()
        try other.execute("SET lock_timeout = '1s'")
        try StreamLedger.append([name: RangeSet(numbers: [1, 2])], other)
        var ledger = StreamLedger()
        try folding.execute("BEGIN")
        try ledger.fold(folding)
        try StreamLedger.append([name: RangeSet(numbers: [3])], other)
        var second = StreamLedger()
        second.committed()
        try second.fold(other)
        #expect(try StreamLedger.read(other)[name] == RangeSet(1..<4))
        try folding.execute("COMMIT")
        #expect(try StreamLedger.read(other)[name] == RangeSet(1..<4))
        #expect(try database.query("SELECT settled FROM stream_ledger_pending") == [["{[3,4)}"]])
    }
}
