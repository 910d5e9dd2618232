import Core
import Glibc
import TestSupport
import Testing

@testable import TweetProducer

/// Changes of `streams.yaml` leave everything else as it is.
@Suite(.timeLimit(.minutes(5))) struct StreamsFileEditTests {
    private static let text = """
        # our streams
        defaults:   # for all
          kafka_bootstrap_servers: localhost:9092

        streams:
          # the first
          - name: fintwit          # money
            token_file: tokens/fintwit
            active: true           # since May
            settings:
              journal_segment_age: 15m
          # photographs
          - name: photos
            token_file: 'tokens/photos'

          # the end

        """

    private func edit(_ text: String = text) -> StreamsFileEdit {
        StreamsFileEdit(StreamsFile(path: "/etc/streams.yaml", text: text))
    }

    @Test func aSwitchThatIsThereIsChangedInItsPlace() throws {
        var edit = edit()
        let new = try edit.set("fintwit", active: false)
        #expect(new.text == Self.text.replacing("active: true  ", with: "active: false  "))
        #expect(new.streams.map(\.isActive) == [false, true])
    }

    @Test func aSwitchThatIsMissingIsAddedBelowTheName() throws {
        var edit = edit()
        let new = try edit.set("photos", active: false)
        #expect(new.text == Self.text.replacing("- name: photos\n", with: "- name: photos\n    active: false\n"))
        var back = StreamsFileEdit(new)
        #expect(try back.set("photos", active: true).text == new.text.replacing("active: false", with: "active: true"))
    }

    @Test func nothingIsChangedWhenItIsAsWished() throws {
        var edit = edit()
        #expect(try edit.set("photos", active: true).text == Self.text)
    }

    @Test func aStreamIsRemovedAndCommentsStay() throws {
        var edit = edit()
        let new = try edit.remove("fintwit")
        #expect(
            new.text == """
                # our streams
                defaults:   # for all
                  kafka_bootstrap_servers: localhost:9092

                streams:
                  # the first
                  # photographs
                  - name: photos
                    token_file: 'tokens/photos'

                  # the end

                """)
        var last = StreamsFileEdit(new)
        let empty = try last.remove("photos")
        #expect(empty.streams.isEmpty && empty.text.contains("# the end") && empty.text.contains("# photographs"))
    }

    @Test func aStreamIsAddedBehindTheOthers() throws {
        var edit = edit()
        let new = try edit.add(
            "cats", keys: [("token_file", "tokens/cats")], settings: [("kafka_topic", "it's"), ("journal_keep", "30d")])
        #expect(
            new.text
                == Self.text.replacing(
                    "    token_file: 'tokens/photos'\n",
                    with: """
                            token_file: 'tokens/photos'
                          - name: cats
                            token_file: tokens/cats
                            settings:
                              kafka_topic: 'it''s'
                              journal_keep: '30d'

                        """))
        #expect(new.streams.last?.settings.values["KAFKA_TOPIC"]?.text == "it's")
        var again = StreamsFileEdit(new)
        #expect(throws: StreamsError.self) { try again.add("cats", keys: [], settings: []) }
    }

    @Test(arguments: ["", "streams:\n", "streams: []\n", "defaults: { drain: 1s }\n"])
    func aStreamIsAddedToAFileWithoutStreams(text: String) throws {
        var edit = edit(text)
        let new = try edit.add("cats", keys: [("token_file", "t")], settings: [])
        #expect(new.streams.map(\.name) == ["cats"] && new.text.hasSuffix("  - name: cats\n    token_file: t\n"))
    }

    /// What cannot be written without changing more is an error, and the file stays.
    @Test func aFileThatIsWrittenOtherwiseMustBeEditedByHand() throws {
        let text = "streams: [{ name: a, token_file: t }, { name: b, token_file: u }]\n"
        var (switching, removing, adding) = (edit(text), edit(text), edit(text))
        for change in [
            { try switching.set("a", active: false) }, { try removing.remove("b") },
            { try adding.add("c", keys: [], settings: []) },
        ] {
            let error = #expect(throws: StreamsError.self) { _ = try change() }
            #expect(error?.description.contains("edit it by hand") == true, "\(String(describing: error))")
        }
        var edit = edit("streams: [{ name: a, active: yes, token_file: t }]\n")
        #expect(
            try edit.set("a", active: false).text == "streams: [{ name: a, active: false, token_file: t }]\n")
    }

    /// What an editor writes while a command runs stays; permissions stay as well.
    @Test func aFileThatWasWrittenMeanwhileIsNotReplaced() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.text, to: "streams.yaml")
        let path = folder.path + "/streams.yaml"
        #expect(unsafe chmod(path, 0o600) == 0)
        let old = try StreamsFile.read(path)
        var edit = StreamsFileEdit(old)
        let new = try edit.set("photos", active: false)
        #expect(try !old.replace(old) && new.replace(old) && readTextFile(path) == new.text)
        #expect(try FilePath.status(path)?.mode == 0o600)
        let error = #expect(throws: StreamsError.self) { try new.replace(StreamsFile(path: path, text: Self.text)) }
        #expect(error?.disposition == .retry && error?.description.contains(path) == true)
        try folder.write(Self.text + "# more\n", to: "streams.yaml")
        #expect(throws: StreamsError.self) { try new.replace(old) }
        #expect(try readTextFile(path) == Self.text + "# more\n")
    }

    @Test func anUnknownStreamIsAnError() {
        var edit = edit()
        let error = #expect(throws: StreamsError.self) { try edit.remove("fintwitt") }
        #expect(error?.description == "/etc/streams.yaml has no stream 'fintwitt'; did you mean fintwit?")
    }
}
