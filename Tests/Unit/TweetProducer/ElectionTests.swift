import Testing

@testable import Core
@testable import TweetProducer

@Suite("Standby: election and note") struct ElectionTests {
    @Test("a producer reads only after it has the lease")
    func begin() {
        var election = Election()
        #expect(!election.reads)
        election.revoked()
        #expect(election.role == .undecided)
        let isDisplaced = election.displaced()
        #expect(!isDisplaced)
        let begins = election.elected(true)
        #expect(begins && election.reads)
    }

    @Test("a holder that is not sure of its lease keeps reading, and does not begin anew when it has it again")
    func unsure() {
        var election = Election()
        _ = election.elected(true)
        election.revoked()
        #expect(election.role == .unsure && election.reads)
        let begins = election.elected(true)
        #expect(!begins && election.role == .active)
    }

    @Test("a passive producer that cannot reach Kafka stays passive")
    func passive() {
        var election = Election()
        _ = election.elected(false)
        election.revoked()
        #expect(election.role == .passive && !election.reads)
    }

    @Test("X displaces a holder only while it is not sure of its lease")
    func displaced() {
        var election = Election()
        _ = election.elected(true)
        var isDisplaced = election.displaced()
        #expect(!isDisplaced)
        election.revoked()
        isDisplaced = election.displaced()
        #expect(isDisplaced && !election.reads)
        let triesAgain = election.patienceEnded()
        #expect(triesAgain && election.role == .unsure)
        _ = election.elected(false)
        #expect(election.role == .passive)
        let begins = election.patienceEnded()
        #expect(!begins)
    }

    @Test("a note is read as it was written, and never goes back")
    func note() throws {
        var note = LeaseNote(journal: "0123abcd", host: "one")
        note.advance(to: 2000, newestID: 20)
        note.advance(to: 1000, newestID: 10)
        note.term = 7
        note.add(attempts: [2, 1])
        note.add(attempts: [2, 3])
        note.opened = OpenedConnection(stream: "default", begun: 1, opened: 2)
        #expect(note.receivedAt == 2000 && note.newestID == "20" && note.attempts == [1, 2, 3])
        #expect(LeaseNote(note.text) == note)
        #expect(LeaseNote("{}") == nil)
        note.isReleased = true
        let bid = note.continued(by: "89abcdef", host: "two", term: 8)
        #expect(bid.journal == "89abcdef" && bid.host == "two" && bid.term == 8 && bid.isReleased == nil)
        #expect(bid.receivedAt == 2000 && bid.opened == note.opened, "what the holder before has left stays")
    }

    @Test("a note with every attempt of a window fits into a commit of Kafka")
    func size() {
        var note = LeaseNote(journal: "0123abcd", host: String(repeating: "h", count: 64))
        note.add(attempts: (0..<Int64(2 * LeaseNote.mostAttempts)).map { 1_790_000_000_000 + $0 })
        #expect(note.attempts.count == LeaseNote.mostAttempts)
        note.opened = OpenedConnection(stream: String(repeating: "s", count: 100), begun: .max, opened: .max)
        #expect(note.text.utf8.count < 4096)
    }
}
