import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// F76: which certificates are trusted when a file of them is set.
@Suite(.serialized, .timeLimit(.minutes(5))) struct TrustFaultTests {
    /// The server's authority is in the system's folder, where libcurl finds it; the file that is set holds another one.
    @Test func f76AFileOfCertificatesReplacesTheSystems() async throws {
        let folder = try systemFolder()
        try await PipelineRun.with(losesWhileAway: true, x: { $0.certificate = .valid }, startsProducer: false) { run in
            let caFile = try #require(run.x.caFile)
            try FileManager.default.copyItem(atPath: caFile, toPath: folder.path + "/sandbox.pem")
            let rehash = try ChildProcess.run(ChildCommand("/usr/bin/openssl", ["rehash", folder.path]))
            #expect(rehash.exit == .status(0), "\(rehash.output)")
            let other = folder.path + "/ca-certificates.crt"
            func list(_ caFile: String?) async throws -> (exit: ChildProcess.Exit, output: String) {
                let command = try producer(run, caFile: caFile, certificates: folder.path)
                return try await blocking { try ChildProcess.run(command) }
            }
            let bySystem = try await list(nil)
            #expect(bySystem.exit == .status(0), "\(bySystem.output)")
            let byOther = try await list(other)
            #expect(byOther.exit == .status(69), "\(byOther.output)")
            #expect(byOther.output.contains("certificate"), "\(byOther.output)")
            let byFile = try await list(caFile)
            #expect(byFile.exit == .status(0), "\(byFile.output)")
        }
    }

    /// A folder as /etc/ssl/certs is, with a bundle of somebody else.
    private func systemFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        // Of another name: OpenSSL looks into the folder only for names that the file does not have.
        let made = try ChildProcess.run(
            ChildCommand(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-days", "2", "-subj", "/CN=Somebody", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder.path + "/key", "-out",
                    folder.path + "/ca-certificates.crt",
                ]))
        #expect(made.exit == .status(0), "\(made.output)")
        return folder
    }

    /// `tweet-producer rules list` where `certificates` are the system's.
    private func producer(_ run: PipelineRun, caFile: String?, certificates: String) throws -> ChildCommand {
        var settings = run.pipeline.environment
        settings["X_CA_FILE"] = caFile
        var command = try ChildCommand(service: .producer, ["rules", "list"], settings: settings)
        // Who is not root may mount in a user namespace of one's own.
        command.arguments =
            (geteuid() == 0 ? [] : ["--map-root-user"]) + [
                "--mount", "sh", "-c", "mount --bind \"$0\" /etc/ssl/certs && exec \"$@\"", certificates,
                command.executable,
            ] + command.arguments
        command.executable = "/usr/bin/unshare"
        return command
    }
}
