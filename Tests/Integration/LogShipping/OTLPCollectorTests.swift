import Foundation
import Harness
import Sandbox
import Synchronization
import TestSupport
import Testing

@testable import Core
@testable import LogShipping

/// A collector that reads requests with OpenTelemetry's own classes (PyPI), over TLS where a test wants that.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct OTLPCollectorTests {
    /// A log record as the collector prints it.
    private struct Record: Decodable {
        let resource: [String: String]?
        let scope: String?
        let time: Int64?
        let severity: Int?
        let body: String?
        let attributes: [String: LogValue]?
        let error: String?
    }

    /// scripts/otlp-collector.py.
    private final class Collector: @unchecked Sendable {
        // Sendable: the process and its pipes are set up by `init`, and then used by one thread at a time.
        private let process = Process()
        private let input = Pipe()
        private let output = Pipe()
        private let lines = Mutex<[String]>([])
        let port: String

        init(_ arguments: [String] = []) throws {
            process.executableURL = repository.appending(path: "scripts/python.sh")
            process.arguments = ["otlp-collector"] + arguments
            process.standardInput = input
            process.standardOutput = output
            try process.run()
            var first = Data()
            while first.last != UInt8(ascii: "\n") {
                let byte = try output.fileHandleForReading.read(upToCount: 1) ?? Data()
                if byte.isEmpty { break }
                first += byte
            }
            port = String(decoding: first, as: UTF8.self).trimmed
            try #require(!port.isEmpty, "scripts/otlp-collector.py did not start")
        }

        /// Ends it, and returns what it has printed.
        func finish() throws -> [Record] {
            try input.fileHandleForWriting.close()
            let data = try output.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return try data.split(separator: UInt8(ascii: "\n")).map {
                try JSONDecoder().decode(Record.self, from: Data($0))
            }
        }

        deinit {
            try? input.fileHandleForWriting.close()
            process.waitUntilExit()
        }
    }

    private func run(_ url: String, _ change: (inout LogShippingSettings) -> Void = { _ in }) throws -> ShipperRun {
        try ShipperRun(url) {
            $0.body.format = .otlp
            $0.rules = AnswerRules(format: .otlp, transient: ShippingFormat.otlp.transientStatuses)
            $0.body.members = [.init(name: "deployment.environment", value: "test")]
            change(&$0)
        }
    }

    @Test("every record is read by the protocol's own classes as it was logged", arguments: [false, true])
    func records(isCompressed: Bool) throws {
        let collector = try Collector()
        let run = try run("http://127.0.0.1:\(collector.port)/v1/logs") { $0.isCompressed = isCompressed }
        run.log(
            line: #"{"time":"2026-11-20T08:15:30.123Z","level":"error","logger":"kafka","message":"a \"b\"\nc","#
                + #""big":9223372036854775807,"ratio":0.5,"flag":true,"list":["x",1],"o":{"k":null},"ü":"😀"}"#)
        run.log(1...500)
        #expect(eventually { run.shipped == 501 })
        run.end()
        let found = try collector.finish()
        #expect(found.allSatisfy { $0.error == nil } && found.count == 501)
        let first = try #require(found.first)
        #expect(
            first.resource == ["service.name": "test", "host.name": "h", "deployment.environment": "test"])
        #expect(first.scope == "kafka" && first.severity == 17 && first.body == "a \"b\"\nc")
        #expect(first.time == 1_795_162_530_123_000_000)
        let attributes = try #require(first.attributes)
        #expect(attributes["big"] == .integer(.max) && attributes["ratio"] == .number(0.5))
        #expect(attributes["flag"] == .bool(true) && attributes["list"] == .array([.string("x"), .integer(1)]))
        #expect(attributes["o"] == .object(["k": .null]) && attributes["ü"] == .string("😀"))
        #expect(found.dropFirst().map { $0.attributes?["n"] } == (1...500).map { .integer($0) })
    }

    /// A certificate for localhost and its key, signed by itself.
    private func certificate(_ folder: TemporaryFolder, _ name: String) throws -> (certificate: String, key: String) {
        let (certificate, key) = (folder.path + "/\(name).pem", folder.path + "/\(name).key")
        let (exit, output) = try ChildProcess.run(
            ChildCommand(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
                ]))
        try #require(exit == .status(0), "\(output)")
        return (certificate, key)
    }

    @Test("f97: TLS: the CA of the settings is trusted, and no other one")
    func f97OnlyTheCAOfTheSettingsIsTrusted() throws {
        let folder = try TemporaryFolder()
        let (own, other) = try (certificate(folder, "own"), certificate(folder, "other"))
        let collector = try Collector([own.certificate, own.key])
        let url = "https://localhost:\(collector.port)/v1/logs"
        for file in [other.certificate, nil] {
            let run = try run(url) { $0.caFile = file }
            run.log(1...3)
            #expect(eventually { run.counts.retries.value >= 2 })
            run.end()
            #expect(run.shipped == 0 && run.dropped(.ended) == 3)
        }
        let run = try run(url) { $0.caFile = own.certificate }
        run.log(1...3)
        #expect(eventually { run.shipped == 3 })
        run.end()
        #expect(try collector.finish().map { $0.attributes?["n"] } == (1...3).map { .integer($0) })
    }
}
