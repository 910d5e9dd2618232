import Testing

@testable import Core
@testable import TweetProducer

@Suite("Standby: election and note") struct ElectionTests {
    @Test("a producer reads only after the group has given it the lease")
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

    @Test("a passive producer that cannot reach the group stays passive")
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

    @Test("a lease is taken only with the partition, and when its note has not changed for some seconds")
    func lease() {
        var watch = LeaseWatch()
        let start = ContinuousClock.now
        var note = LeaseNote(journal: "aaaaaaaa", host: "one")
        func look(_ seconds: Int, _ hasPartition: Bool, _ text: String?, journal: String = "bbbbbbbb") -> Bool {
            watch.isOurs(text, journal: journal, hasPartition: hasPartition, at: start + .seconds(seconds))
        }
        var found = look(0, true, note.text)
        #expect(!found, "it may be alive")
        note.writtenAt = 1
        found = look(3, true, note.text)
        #expect(!found, "it is alive")
        found = look(6, true, note.text)
        #expect(!found, "not for long enough")
        found = look(13, false, note.text)
        #expect(!found, "without the partition")
        found = look(13, true, note.text)
        #expect(found)
        found = look(13, false, note.text, journal: "aaaaaaaa")
        #expect(found, "who has it keeps it without the partition")
        note.isReleased = true
        found = look(9, true, note.text)
        #expect(found, "released")
        found = look(9, false, nil)
        #expect(!found)
        found = look(9, true, nil)
        #expect(found, "the first of all")
    }

    @Test("a note is read as it was written, and never goes back")
    func note() throws {
        var note = LeaseNote(journal: "0123abcd", host: "one")
        note.advance(to: 2000, newestID: 20)
        note.advance(to: 1000, newestID: 10)
        note.attempts = [1, 2]
        note.opened = OpenedConnection(stream: "default", begun: 1, opened: 2)
        #expect(note.receivedAt == 2000 && note.newestID == "20")
        #expect(LeaseNote(note.text) == note)
        #expect(LeaseNote("{}") == nil)
    }

    @Test("a note with every attempt of a window fits into a commit of Kafka")
    func size() {
        var note = LeaseNote(journal: "0123abcd", host: String(repeating: "h", count: 64))
        note.attempts = (0..<Int64(LeaseNote.mostAttempts)).map { 1_790_000_000_000 + $0 }
        note.opened = OpenedConnection(stream: String(repeating: "s", count: 100), begun: .max, opened: .max)
        #expect(note.text.utf8.count < 4096)
    }
}
