import Foundation
import Sandbox

/// curl(1) as the client: what the simulator does is judged by a program that is not ours.
struct Curl: Sendable {
    let simulator: XSimulator
    var token: String?

    init(_ simulator: XSimulator) {
        self.simulator = simulator
        token = simulator.bearerToken
    }

    struct Answer {
        var exit: ChildProcess.Exit
        var status: Int
        var header: [String: String]
        var body: String

        var lines: [String] { body.components(separatedBy: "\r\n").filter { !$0.isEmpty } }

        func json() throws -> [String: Any] {
            try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] ?? [:]
        }
    }

    /// One request; at most `seconds` of the answer.
    func callAsFunction(
        _ path: String, post body: String? = nil, seconds: Double = 30, arguments more: [String] = []
    ) async throws -> Answer {
        var arguments = ["-s", "-i", "-N", "-m", String(seconds), simulator.url + path] + more
        if let token { arguments += ["-H", "Authorization: Bearer \(token)"] }
        if let body { arguments += ["--data-binary", body] }
        let command = ChildCommand("/usr/bin/curl", arguments)
        let (exit, output) = try await withCheckedThrowingContinuation { continuation in
            // Its own thread: waiting for curl must not keep the simulator's tasks from running.
            Thread { continuation.resume(with: Result { try ChildProcess.run(command) }) }.start()
        }
        return Answer(exit, output)
    }

    static let stream = "/2/tweets/search/stream"
    static let rules = "/2/tweets/search/stream/rules"
}

extension Curl.Answer {
    fileprivate init(_ exit: ChildProcess.Exit, _ output: String) {
        let end = output.range(of: "\r\n\r\n")
        let head = output[..<(end?.lowerBound ?? output.startIndex)].components(separatedBy: "\r\n")
        self.init(
            exit: exit, status: head.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0,
            header: Dictionary(
                head.dropFirst().compactMap { line in
                    line.range(of: ": ").map { (line[..<$0.lowerBound].lowercased(), String(line[$0.upperBound...])) }
                }, uniquingKeysWith: { $1 }),
            body: String(output[(end?.upperBound ?? output.startIndex)...]))
    }
}

/// Runs a test against a simulator of its own, which has one rule unless told otherwise.
func withSimulator(
    _ change: (inout XSimulator.Configuration) -> Void = { _ in }, rules: [String] = ["coffee"],
    _ body: (XSimulator, Curl) async throws -> Void
) async throws {
    var configuration = XSimulator.Configuration()
    configuration.feed = .generator(seed: 1, count: 200)
    configuration.rate = nil
    change(&configuration)
    let simulator = XSimulator(configuration)
    simulator.addRules(rules.map { ($0, $0) })
    try await simulator.start()
    do { try await body(simulator, Curl(simulator)) } catch {
        await simulator.stop()
        throw error
    }
    await simulator.stop()
}
