import Testing

@testable import TweetProducer

/// What `streams plan` says about each difference.
@Suite(.timeLimit(.minutes(5))) struct StreamsPlanTests {
    private let new = StreamsWorld.settings("s", version: 2, token: 1)
    private let old = StreamsWorld.settings("s", version: 1, token: 1)
    private let up = StreamProcess(state: .running, word: "RUNNING")

    private func change(_ found: ActualStream?, isSupervised: Bool = true) -> StreamsPlan.Change? {
        let desired = DesiredStream(settings: new, definition: "d")
        let plan = StreamsPlan(
            [desired], actual: found.map { ["s": $0] } ?? [:], isSupervised: isSupervised)
        #expect(plan.changes.isEmpty == (plan.kept == ["s"]))
        return plan.changes.first
    }

    @Test func everyDifferenceHasItsReason() {
        var found = ActualStream(settings: new.text, definition: "d", pending: nil, process: up)
        #expect(change(found) == nil)
        #expect(change(nil)?.action == .start && change(nil)?.reasons.first == "new")
        found.settings = old.text
        #expect(change(found)?.action == .restart && change(found)?.reasons == ["kafka_topic: v1 → v2"])
        found.settings = new.text + "drain: '1s'\n"
        #expect(change(found)?.reasons == ["its settings file was changed by hand"])
        found.settings = new.text
        found.definition = "e"
        #expect(change(found)?.reasons == ["the supervisor's file differs"])
        found.definition = "d"
        found.pending = ""
        #expect(change(found)?.reasons == ["its last change was not completed"] && change(found)?.keepsToken == false)
        found.pending = nil
        found.process?.isStale = true
        #expect(change(found)?.reasons == ["the supervisor has not loaded its settings"])
        found.process = StreamProcess(state: .failed, word: "FATAL", reason: "exit status 78")
        #expect(change(found)?.action == .start && change(found)?.reasons == ["does not run: FATAL, exit status 78"])
        found.process = nil
        #expect(change(found)?.reasons == ["the supervisor does not know it"])
        #expect(change(found, isSupervised: false) == nil)
    }

    /// What another supervisor has is a process, too, and the token that it uses is in use.
    @Test func whatAnotherSupervisorStillHasMoves() {
        var found = ActualStream(settings: new.text, former: FormerProcess(supervisor: .supervisord, process: up))
        #expect(change(found)?.action == .restart && change(found)?.reasons == ["moves from supervisord"])
        #expect(change(found)?.keepsToken == true)
        #expect(change(found, isSupervised: false)?.reasons == ["leaves supervisord"])
        found.settings = old.text
        #expect(change(found)?.reasons == ["moves from supervisord", "kafka_topic: v1 → v2"])
        found.settings = nil
        #expect(change(found)?.keepsToken == false, "with which token it runs is not known")
        found.former = FormerProcess(supervisor: .systemd, process: nil)
        #expect(change(found)?.action == .start)
        let gone = StreamsPlan([], actual: ["s": found], isSupervised: true)
        #expect(gone.changes.map(\.action) == [.stop])
    }

    @Test func whatTheFileDoesNotHaveIsStoppedFirst() {
        let actual = [
            "old": ActualStream(settings: StreamsWorld.settings("old", version: 1, token: 3).text),
            "left": ActualStream(pending: ""),
            "orphan": ActualStream(process: up),
        ]
        let plan = StreamsPlan([DesiredStream(settings: new, definition: nil)], actual: actual, isSupervised: true)
        #expect(plan.changes.map(\.stream) == ["left", "old", "orphan", "s"])
        #expect(plan.changes.map(\.action) == [.stop, .stop, .stop, .start])
        #expect(plan.changes[1].journal == "/var/lib/tweet-pipeline/journal/old")
    }

    /// Values of secrets are not shown.
    @Test func aChangedSecretIsNotShown() {
        func settings(_ token: String) -> StreamSettingsFile {
            let text = "streams: [{ name: s, settings: { x_bearer_token: \(token) } }]"
            return StreamSettingsFile(StreamsFile(path: "/s.yaml", text: text).streams[0], from: "/s.yaml")
        }
        #expect(settings("secret-2").changes(from: settings("secret-1")) == ["x_bearer_token is changed"])
    }
}
