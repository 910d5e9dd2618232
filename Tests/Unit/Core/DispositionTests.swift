import Testing

@testable import Core

@Suite(.timeLimit(.minutes(5))) struct DispositionTests {
    private struct Refused: DisposedError {
        let disposition: Disposition
        let description = "the peer: the reason: the remedy"
    }

    @Test(arguments: [
        (Disposition.retry, Int32(75)), (.wait, 69), (.reject, 65), (.rebuild, 74), (.operator(.disk), 74),
        (.operator(.credentials), 77), (.operator(.settings), 78),
    ])
    func eachIsOneExitStatusAndKeepsItsText(disposition: Disposition, status: Int32) {
        let failure = Failure(Refused(disposition: disposition))
        #expect(failure.status.rawValue == status)
        #expect(failure.description == "the peer: the reason: the remedy")
    }

    @Test func settingsAreForAnOperator() {
        let failure = Failure(SettingsError("a.yaml:3: 'x' is not a time"))
        #expect(failure.status == .badSettings)
        #expect(failure.description == "a.yaml:3: 'x' is not a time")
    }
}
