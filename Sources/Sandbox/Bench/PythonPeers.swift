import Core
import Glibc

/// Programs in Python that do about the same as the services, from a folder that the user names: `copy_loader.py` and
/// `confluent_producer.py`. What is not there is listed as not measured.
struct PythonPeers {
    /// Their folder; nil when none was given.
    let folder: String?
    /// The interpreter that has their packages: confluent_kafka, orjson, psycopg, requests.
    let python: String

    private static let patience = 1800

    /// A script to run, or why it cannot be.
    enum Script {
        case ready([String])
        case absent(String)
    }

    /// The command line of a script without its arguments.
    func script(_ name: String, needs modules: [String]) -> Script {
        guard let folder else { return .absent("no folder was given (--peers, BENCH_PEERS)") }
        let path = "\(folder)/\(name)"
        guard unsafe access(path, R_OK) == 0 else { return .absent("\(name) is not in the folder of peers") }
        let check = ChildCommand("/usr/bin/env", [python, "-c", "import \(modules.joined(separator: ", "))"])
        guard let (exit, _) = try? ChildProcess.run(check), exit == .status(0) else {
            return .absent(
                "\(python) lacks one of the modules \(modules.joined(separator: ", ")) (--python, BENCH_PYTHON)")
        }
        return .ready(["\(Self.patience)", python, path])
    }

    /// The loader's rate on a full topic, and what share of it ours is.
    func loader(
        _ topic: FilledTopic, _ shape: LoadShape, _ postgres: PostgresSandbox, ours: [Int: Double]
    ) throws
        -> [Figure]
    {
        let name = "python_loader_\(shape.name)_per_second"
        let about = "  Python loader of one table"
        let command: [String]
        switch script("copy_loader.py", needs: ["confluent_kafka", "orjson", "psycopg"]) {
        case .absent(let reason): return [Figure(absent: name, "\(about): \(reason)")]
        case .ready(let line): command = line
        }
        tellProgress("\(shape.rawValue): the Python loader")
        let url = try postgres.createDatabase("bench_peer")
        defer { _ = try? postgres.query("DROP DATABASE bench_peer WITH (FORCE)", database: "postgres") }
        try postgres.query("CHECKPOINT", database: "bench_peer")
        let arguments = [
            topic.kafka.bootstrapServers, topic.kafka.topic, url, "\(topic.rows)",
            shape == .whole ? "payload" : "flat",
        ]
        let (exit, output) = try ChildProcess.run(ChildCommand("/usr/bin/timeout", command + arguments))
        guard exit == .status(0), let rate = Self.rate(output) else {
            throw Failure(.unavailable, "copy_loader.py: \(exit): \(output.suffix(2000))")
        }
        return [Figure(name, rate, "tweets/s", about)]
            + ours.sorted { $0.key < $1.key }.map { writers, own in
                Figure(
                    "loader_\(shape.name)_ratio_python_\(writers)", own / rate, "",
                    "  loader, \(writersText(writers)) ÷ Python loader", atLeast: shape.barOfPeer)
            }
    }

    /// The number before the last word that ends in `/s`.
    private static func rate(_ output: String) -> Double? {
        let words = output.split(whereSeparator: \.isWhitespace)
        guard let place = words.lastIndex(where: { $0.hasSuffix("/s") }), place > 0 else { return nil }
        return Double(words[place - 1])
    }
}

/// `1 writer`, `4 writers`.
func writersText(_ count: Int) -> String { count == 1 ? "1 writer" : "\(count) writers" }
