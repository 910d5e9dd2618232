import Core
import Foundation
import HTTP
import Sandbox
import TestSupport

@testable import TweetTimelines

/// What a browser and its user do in a login.
enum LoginBrowser {
    /// Where X's page sends the browser.
    static func redirect(_ url: String) throws -> String {
        let answer = HTTPAnswer(bodyLimit: 1000)
        var transfer = try CurlTransfer(answer: answer)
        try transfer.prepare(HTTPRequest(url: url, token: Secret(""), connectTimeout: .seconds(10)))
        try transfer.perform()
        return answer.headers["location"] ?? ""
    }

    static func start(
        _ fixture: TimelinesFixture, _ script: String, environment: [String: String?] = [:]
    ) throws -> ChildProcess {
        let program = try siblingExecutable("tweet-timelines")
        var command = ChildCommand("/bin/sh", ["-c", script, program])
        command.environment = fixture.environment.merging(environment) { $1 }
        command.folder = fixture.folder.path
        command.output = .pipe
        return try ChildProcess(command)
    }

    static func loginURL(_ child: ChildProcess) throws -> String {
        while let line = child.readLine(timeout: .seconds(60)) {
            if line.hasPrefix("http") { return line }
        }
        throw Failure(.unavailable, "no address was printed")
    }

    /// Logs a user in with `accounts login` and a pasted address.
    ///
    /// - Parameters:
    ///   - fixture: whose database gets the token.
    ///   - environment: of the command, beside that of the fixture.
    /// - Returns: how the command has ended, and what it has printed.
    /// - Throws: `Failure` when it prints no address.
    static func logIn(
        _ fixture: TimelinesFixture, environment: [String: String?] = [:]
    ) throws -> (exit: ChildProcess.Exit, output: String) {
        guard unsafe mkfifo(fixture.folder.path + "/pasted", 0o600) == 0 else { throw Failure(.disk, "mkfifo failed") }
        let child = try start(fixture, "exec \"$0\" accounts login <>pasted", environment: environment)
        let target = try redirect(loginURL(child))
        guard target.hasPrefix("http://127.0.0.1:8723/callback?state=") else {
            throw Failure(.badData, "the browser was sent to '\(target)'")
        }
        try FileHandle(forWritingTo: URL(filePath: fixture.folder.path + "/pasted"))
            .write(contentsOf: Data("\(target)\n".utf8))
        let output = child.readAll()
        return (child.wait(), output)
    }
}
