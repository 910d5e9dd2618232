import Core
import FoundationEssentials
import Synchronization

/// Users of `sandbox x --users`, and posts for their home timelines until the end.
final class UserFeed: Sendable {
    private let stop: Stop
    private let thread: Mutex<JoinableThread?>
    private let file: String
    private let url: String

    /// Logs the users in and writes their tokens.
    ///
    /// - Parameters:
    ///   - simulator: whose users they are.
    ///   - users: how many; with 0 the result is nil.
    ///   - file: for the tokens, one JSON object a line, which only its owner may read.
    /// - Throws: `Failure` (disk) when the file cannot be written.
    init?(_ simulator: XSimulator, users: Int, file: String) throws(Failure) {
        guard users > 0 else { return nil }
        (self.file, url) = (file, simulator.url)
        let ids = 1...Int64(users)
        let lines = ids.map { user in
            simulator.setUser(user)
            simulator.post(30, to: user, age: .seconds(3600))
            let pair = simulator.logIn(user)
            return #"{"user_id":"\#(user)","username":"user\#(user)","access_token":"\#(pair.access)","#
                + #""refresh_token":"\#(pair.refresh)"}"#
        }
        simulator.setBrowser(1)
        do {
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        } catch { throw Failure(.disk, "\(file): \(error)") }
        let stop = Stop()
        self.stop = stop
        thread = Mutex(
            JoinableThread(name: "users") {
                while !stop.wait(for: .seconds(1)) {
                    let user = Int64.random(in: ids)
                    simulator.share(simulator.post(2, to: user), of: user, with: Int64.random(in: ids))
                }
            })
    }

    /// What to do with them. The first user is the one whose browser a login meets.
    var instructions: [String] {
        [
            "export X_LOGIN_URL='\(url)' X_CLIENT_ID='\(XSimulator.clientID)'",
            "# tokens of the users: tweet-timelines accounts add < \(file)",
        ]
    }

    /// Ends the posts.
    func end() {
        stop.raise(drain: .zero)
        if let thread = thread.withLock({ $0.take() }) { thread.join() }
    }
}
