import Core
import Harness
import Logging
import Operations
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

/// A console over HTTP for one test database.
final class TestConsole {
    let port: Int
    let log = LogRecorder()
    private let console: Console.Running
    private let stop = Stop()
    private var workers: [Background] = []

    /// - Parameters:
    ///   - url: of the database.
    ///   - change: of the settings, before it starts.
    /// - Throws: what a setting or the server's start has thrown.
    init(_ url: String, change: (inout ConsoleConfiguration) -> Void = { _ in }) throws {
        var reader = try SettingsReader(
            flags: ["DATABASE_URL": url], known: LoaderSettings.known, environment: [:])
        var configuration = try ConsoleConfiguration(&reader)
        try reader.finish()
        configuration.listen.port = 0
        configuration.timeout = .seconds(30)
        configuration.services = WatchedServices(producers: [], loaders: [])
        change(&configuration)
        let made = configuration
        console = try Console.open(made)
        port = console.server.port
        let (queue, stop, logger) = (console.queue, stop, log.logger)
        workers = (0..<2).map { _ in
            Background {
                var worker = PageWorker(made, queue, stop: stop, logger: logger)
                worker.run()
            }
        }
    }

    deinit {
        console.queue.close()
        stop.raiseImmediately()
        workers = []
        console.server.stop()
    }

    /// The answer to a request.
    func ask(
        _ path: String, method: String = "GET", host: String? = "localhost", fields: [String] = [], body: String? = nil
    ) throws -> RawHTTP.Answer {
        try RawHTTP.ask(port, path, method: method, host: host, fields: fields, body: body)
    }

    /// The body of a page, which must be there.
    func page(_ path: String) throws -> String {
        let answer = try ask(path)
        #expect(answer.status == 200, "\(path): \(answer.body)")
        return answer.body
    }
}

/// The elements of a page: names with their attributes, and the text between them.
struct PageElements: Equatable {
    /// Such as `a href rel`.
    private(set) var elements: [String] = []
    private(set) var text = ""

    /// Reads the markup as HTML's tokenizer does, as far as the console writes it.
    init(_ page: String) {
        var rest = Array(page.utf8)[...]
        var text: [UInt8] = []
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "<"), let next = rest.first,
                Self.isLetter(next) || next == UInt8(ascii: "/") || next == UInt8(ascii: "!")
            else {
                text.append(byte)
                continue
            }
            elements.append(Self.tag(&rest))
        }
        self.text = Self.unescaped(String(decoding: text, as: UTF8.self))
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    /// A tag up to its end, without the values of its attributes.
    private static func tag(_ rest: inout ArraySlice<UInt8>) -> String {
        var (names, quote) = ([UInt8](), UInt8?.none)
        while let byte = rest.popFirst() {
            if let open = quote {
                if byte == open { quote = nil }
                continue
            }
            if byte == UInt8(ascii: ">") { break }
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") { quote = byte } else { names.append(byte) }
        }
        return String(decoding: names, as: UTF8.self)
    }

    static func unescaped(_ text: String) -> String {
        var text = text
        for (reference, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
            text = text.replacing(reference, with: character)
        }
        return text
    }
}
