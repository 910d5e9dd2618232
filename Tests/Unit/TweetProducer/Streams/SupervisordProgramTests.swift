import Core
import Testing

@testable import TweetProducer

/// What is written for supervisord.
@Suite(.timeLimit(.minutes(5))) struct SupervisordProgramTests {
    private func settings(_ more: String) -> StreamSettingsFile {
        let text = "streams: [{ name: my-stream, token_file: t, settings: { \(more) } }]"
        return StreamSettingsFile(StreamsFile(path: "/e/s.yaml", text: text).streams[0], from: "/e/s.yaml")
    }

    private let program = SupervisordProgram(
        executable: "/usr/local/bin/tweet-producer", folder: "/e/streams", logs: "/var/log/t", user: "tweets")

    @Test func aProgramHasOneStreamAndAHashOfItsSettings() {
        let (first, second) = (settings("drain: 90s"), settings("drain: 90s, kafka_topic: x"))
        let text = program.text(first)
        #expect(
            text.hasPrefix(
                "; Made by `tweet-producer streams apply`; do not change it.\n[program:tweet-stream-my-stream]\n"))
        #expect(text.contains("\ncommand=/usr/local/bin/tweet-producer run --config /e/streams/my-stream.yaml\n"))
        #expect(text.contains("\nenvironment=STREAM_SETTINGS=\"\(first.hash)\"\n"))
        #expect(text.contains("\nuser=tweets\n") && text.contains("\nstderr_logfile=/var/log/t/my-stream.log\n"))
        #expect(text.contains("\nstopwaitsecs=105\n"), "longer than DRAIN")
        let ends = "\nautorestart=unexpected\nexitcodes=0,64,77,78\nstartsecs=5\nstartretries=10\n"
        #expect(text.contains(ends), "wrong settings end, and are not retried for ever")
        #expect(first.hash != second.hash && program.text(second) != text)
        #expect(program.text(settings("")).contains("\nstopwaitsecs=45\n"))
    }

    @Test(arguments: ["/with space", "/per%cent", "/semi;colon", ""])
    func pathsThatMeanSomethingToSupervisordAreRejected(path: String) {
        let bad = SupervisordProgram(executable: "/x", folder: path, logs: "/l", user: nil)
        #expect(throws: StreamsError.self) { try bad.requirePlainPaths() }
        #expect(throws: Never.self) { try program.requirePlainPaths() }
    }

    @Test func theLastErrorsOfALogAreTheReason() {
        let error = "tweet-producer: error: "
        #expect(Supervisord.lastErrors("\(error)old\n{\"message\":\"started\"}\n") == [])
        #expect(Supervisord.lastErrors("x\n\(error)a\n\(error)b\n\(error)a\n\(error)b\n") == ["a", "b"])
        #expect(Supervisord.lastErrors("") == [])
    }
}
