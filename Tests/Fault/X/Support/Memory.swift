import Core
import Foundation
import Sandbox

extension FaultRun {
    /// The bytes of the stream's journal, written or durable.
    func journalBytes() throws -> Int {
        let folder = pipeline.journalFolder + "/default"
        let files = FileManager.default
        return try files.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".jsonl") }
            .reduce(0) { $0 + (try files.attributesOfItem(atPath: folder + "/" + $1)[.size] as? Int ?? 0) }
    }

    /// The most memory that the producer has had so far, in bytes (proc(5), status, VmHWM).
    func peakMemory() throws -> Int {
        guard let process = pipeline.process(of: .producer) else { return 0 }
        let status = try readTextFile("/proc/\(process.processID)/status")
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }
}
