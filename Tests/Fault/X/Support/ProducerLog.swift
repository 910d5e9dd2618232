import Core
import Foundation
import Harness

extension PipelineRun {
    /// Starts the producer on a disk whose fdatasync(2) behaves as an injection of strace(1) says, by thread.
    func startProducer(fdatasync injection: String) throws {
        // Other calls do not stop for it; the producer keeps its own process number (-D), and its children are none.
        let strace = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync"]
        try pipeline.start(.producer, under: strace + ["-e", "inject=fdatasync:\(injection)"])
    }

    /// The bytes of the stream's journal, written or durable.
    func journalBytes() throws -> Int {
        let folder = pipeline.journalFolder + "/default"
        let files = FileManager.default
        return try files.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".jsonl") }
            .reduce(0) { $0 + (try files.attributesOfItem(atPath: folder + "/" + $1)[.size] as? Int ?? 0) }
    }

    /// The waits that the producer has announced for a cause, in order.
    func waits(_ cause: String) -> [Duration] { Self.waits(cause, in: log) }

    /// The waits that a producer has announced in its log, for a cause or for all, in order.
    static func waits(_ cause: String?, in log: String) -> [Duration] {
        let lines = log.split(separator: "\n").filter { line in
            cause.map { line.contains("\"cause\":\"\($0)\"") } ?? true
        }
        return lines.compactMap { line in
            line.split(separator: "\"next_attempt_in\":\"").dropFirst().first?.split(separator: "\"").first
        }.compactMap { text in
            if text.hasSuffix("ms") { return Int64(text.dropLast(2)).map { .milliseconds($0) } }
            return text.hasSuffix("s") ? Double(text.dropLast()).map { .seconds($0) } : nil
        }
    }
}

extension Duration {
    /// From one moment to another.
    static func between(_ start: Timestamp, _ end: Timestamp) -> Duration {
        .milliseconds(end.milliseconds - start.milliseconds)
    }
}
