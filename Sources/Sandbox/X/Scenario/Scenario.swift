import Core
import Yams

/// What is to happen by itself, and when: the steps of a scenario file.
package struct Scenario: Sendable {
    struct Step: Sendable, Decodable {
        /// On the simulator's clock, since its start.
        let at: SandboxDuration?
        /// Lines completely written, on all connections together.
        let after_lines: Int?
        /// Connections to the stream that were accepted.
        let after_connections: Int?
        let change: SandboxChange

        private enum CodingKeys: String, CodingKey, CaseIterable {
            case at, after_lines, after_connections
            case change = "do"
        }

        init(from decoder: any Decoder) throws {
            try decoder.refuseMembers(except: CodingKeys.allCases.map(\.rawValue))
            let values = try decoder.container(keyedBy: CodingKeys.self)
            at = try values.decodeIfPresent(SandboxDuration.self, forKey: .at)
            after_lines = try values.decodeIfPresent(Int.self, forKey: .after_lines)
            after_connections = try values.decodeIfPresent(Int.self, forKey: .after_connections)
            change = try values.decode(SandboxChange.self, forKey: .change)
        }
    }

    private struct File: Decodable {
        let steps: [Step]
    }

    private(set) var steps: [Step] = []

    /// Nothing.
    package init() {}

    /// Reads YAML, or JSON, which is YAML too.
    ///
    /// - Throws: `Failure` (badData) that says where the mistake is.
    package init(yaml text: String, path: String = "scenario") throws(Failure) {
        do { steps = try YAMLDecoder().decode(File.self, from: text).steps } catch let error as DecodingError {
            throw Failure(.badData, "\(path): \(error.place)")
        } catch {
            throw Failure(.badData, "\(path): \(error)")
        }
    }

    /// Reads a file.
    ///
    /// - Throws: `Failure` (badData) when it cannot be read or has a mistake.
    package init(path: String) throws(Failure) {
        let text: String
        do { text = try readTextFile(path) } catch { throw Failure(.badData, "\(error)") }
        try self.init(yaml: text, path: path)
    }
}

extension DecodingError {
    /// Where, and what is wrong.
    fileprivate var place: String {
        let (context, what): (Context, String) =
            switch self {
            case .keyNotFound(let key, let context): (context, "'\(key.stringValue)' is missing")
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                (context, context.debugDescription)
            @unknown default: (Context(codingPath: [], debugDescription: ""), "\(self)")
            }
        let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
        return (path.isEmpty ? "" : path.joined(separator: ".") + ": ") + what
    }
}

extension XSimulator {
    /// Does the steps of the scenario as they become due, those due together in the order of the file.
    func direct() async {
        let start = clock.instant
        var waiting = configuration.scenario.steps
        while !waiting.isEmpty, !Task.isCancelled {
            let (elapsed, lines, connections) = (clock.instant - start, record.writtenCount, record.connections.count)
            waiting.removeAll { step in
                guard (step.at?.duration ?? .zero) <= elapsed, (step.after_lines ?? 0) <= lines,
                    (step.after_connections ?? 0) <= connections
                else { return false }
                apply(step.change)
                return true
            }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }
}
