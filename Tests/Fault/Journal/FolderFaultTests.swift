import Core
import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// F39: a journal's folder that cannot be written.
@Suite(.serialized, .timeLimit(.minutes(5))) struct FolderFaultTests {
    /// As root, modes forbid nothing: there the folder is mounted read-only for the one process.
    @Test func f39AReadOnlyFolderEndsTheStartAndNothingIsTouched() async throws {
        try await PipelineRun.with { run in
            try await run.expectLines(50)
            #expect(run.pipeline.end(.producer) == .status(0))
            let (attempts, before) = (run.x.attempts.count, try run.status())
            let folder = run.pipeline.journalFolder
            let readOnly = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\""
            let wrapper = geteuid() == 0 ? ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", readOnly, folder] : []
            if geteuid() != 0 { try setMode(0o555, folder) }
            try run.pipeline.start(.producer, under: wrapper)
            let process = try run.producer
            try await run.expect("an end") { process.exit != nil }
            if geteuid() != 0 { try setMode(0o755, folder) }
            #expect(process.exit == .status(74))
            let told = run.log.split(separator: "\n").last { $0.contains("tweet-producer: error:") } ?? ""
            #expect(told.contains(folder) && told.contains("JOURNAL_DIR"), "\(told)")
            #expect(run.x.attempts.count == attempts, "no half start")
            #expect(try run.status() == before)
            try run.pipeline.start(.producer)
            try await run.expectConserved()
        }
    }

    private func setMode(_ mode: mode_t, _ folder: String) throws {
        for name in ["", "/default"] where unsafe chmod(folder + name, mode) != 0 { throw FileError("chmod", folder) }
    }
}
