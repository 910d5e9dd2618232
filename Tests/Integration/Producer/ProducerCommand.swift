import Foundation

/// What a run of `tweet-producer` has come to.
struct ProducerCommand {
    let status: Int32
    let output: String
    let errors: String

    /// Runs it to its end, with nothing to read and nothing in its environment but what is given; `under` runs it, as prlimit(1) does.
    init(_ arguments: [String], _ environment: [String: String], under: [String] = []) throws {
        let process = Process()
        let folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        let words = under + [folder.appending(path: "tweet-producer").path] + arguments
        process.executableURL = URL(filePath: words[0])
        process.arguments = Array(words.dropFirst())
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let printed = try output.fileHandleForReading.readToEnd() ?? Data()
        let told = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        status = process.terminationStatus
        self.output = String(decoding: printed, as: UTF8.self)
        self.errors = String(decoding: told, as: UTF8.self)
    }
}
