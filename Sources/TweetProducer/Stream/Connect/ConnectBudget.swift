import Core
import Digests
import FoundationEssentials
import Logging
import Synchronization

/// The connection attempts of a credential and the connections that came of them, in a file that outlives this process.
///
/// X counts attempts per app, so every process that uses the same folder and credential shares the file. The file's name
/// is a hash of the credential; nothing in it reveals the credential.
final class ConnectBudget: Sendable {
    private struct Content: Codable {
        /// Milliseconds since 1970.
        var attempts: [Int64] = []
        var opened: [OpenedConnection] = []
    }

    private let path: String
    private let limit: Int
    private let logger: Logger
    private struct State {
        /// What this process knows; the file may know more.
        var known = Content()
        var isWritable = true
    }

    private let state = Mutex(State())

    /// Connections older than this are no longer at X.
    private static let memory = Duration.seconds(86_400)
    private static let block = 4096
    /// Another process holds the file briefly; one that hangs with it blocks others no longer than this.
    private static let patience = Duration.seconds(2)

    /// - Parameters:
    ///   - folder: where the files are; it is made when it is missing.
    ///   - credential: names the credential without telling it.
    ///   - limit: how many attempts a window may hold.
    ///   - logger: warns when the file cannot be used; the budget then counts for this process alone.
    init(folder: String, credential: String, limit: Int, logger: Logger) {
        path = Self.path(folder, credential)
        self.limit = limit
        self.logger = logger
        do { try JournalFolder.create(folder) } catch { state.withLock { complain(error, &$0) } }
    }

    /// The attempts that were made with a credential, as the processes of this host have counted them; nothing is written.
    static func counted(in folder: String, credential: String, limit: Int) -> ConnectWindow {
        let content = read((try? readWholeFile(path(folder, credential))) ?? [])
        return ConnectWindow(limit: limit, attempts: content.attempts.map { Timestamp(milliseconds: $0) })
    }

    private static func path(_ folder: String, _ credential: String) -> String {
        folder + "/connects-\(credential).json"
    }

    /// Names a credential without telling it: the beginning of a SHA-256 of the address and the token.
    static func name(url: String, token: Secret) -> String {
        var digest = RunningDigest()
        unsafe Array("\(url)\n\(token.value)".utf8).withUnsafeBytes { unsafe digest.add($0) }
        return String(digest.result.sha256.prefix(16))
    }

    /// Takes an attempt from the budget: zero when it was taken and may be made now, else how long to wait.
    ///
    /// The attempt is in the file before it is made, so that a process that dies of it does not forget it.
    func takeAttempt(at now: Timestamp) -> Duration {
        update { content in
            // Attempts in the future are from before the clock was set back. They count as made now, so that nothing waits
            // until the clock has caught up with them.
            content.attempts = content.attempts.map { min($0, now.milliseconds) }
            var window = ConnectWindow(
                limit: limit, attempts: content.attempts.map { Timestamp(milliseconds: $0) })
            let delay = window.delay(at: now)
            guard delay == .zero else { return delay }
            window.recordAttempt(at: now)
            content.attempts = window.attempts.map(\.milliseconds)
            return .zero
        }
    }

    /// The attempts that this process knows of.
    var window: ConnectWindow {
        let attempts = state.withLock { $0.known.attempts }
        return ConnectWindow(limit: limit, attempts: attempts.map { Timestamp(milliseconds: $0) })
    }

    /// Takes note of a connection that X has answered with 200.
    func noteOpened(_ connection: OpenedConnection) {
        update { content in
            let oldest = connection.opened - Self.memory.milliseconds
            content.opened = content.opened.filter { $0.opened > oldest }.suffix(99) + [connection]
        }
    }

    /// The connections of a stream that X may still hold.
    func opened(for stream: String) -> [OpenedConnection] {
        update { $0.opened.filter { $0.stream == stream } }
    }

    /// The attempts of the last window, in milliseconds since 1970, oldest first.
    var attempts: [Int64] { state.withLock { $0.known.attempts } }

    /// Takes note of attempts that a producer on another host has made.
    func add(attempts: [Int64]) {
        update { $0.attempts = Set($0.attempts).union(attempts).sorted() }
    }

    private func update<Result: Sendable>(_ change: (inout Content) -> Result) -> Result {
        state.withLock { update(&$0, change) }
    }

    private func update<Result>(_ state: inout State, _ change: (inout Content) -> Result) -> Result {
        do throws(FileError) {
            let file = try JournalFile(updating: path)
            try file.waitForLock(atMost: Self.patience)
            let stored = Self.read((try? readWholeFile(path)) ?? [])
            var content = Content(
                attempts: Set(stored.attempts).union(state.isWritable ? [] : state.known.attempts).sorted(),
                opened: stored.opened
                    + (state.isWritable ? [] : state.known.opened.filter { !stored.opened.contains($0) }))
            let before = (content.attempts, content.opened)
            let result = change(&content)
            state.known = content
            if !state.isWritable || before.0 != content.attempts || before.1 != content.opened {
                try Self.write(content, to: file)
            }
            state.isWritable = true
            return result
        } catch {
            complain(error, &state)
            return change(&state.known)
        }
    }

    private func complain(_ error: FileError, _ state: inout State) {
        if state.isWritable {
            logger.warning(
                "cannot store the connect budget; a restart would lose it",
                metadata: ["reason": "\(error)"])
        }
        state.isWritable = false
    }

    /// A missing or damaged file has nothing.
    private static func read(_ bytes: [UInt8]) -> Content {
        let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        return (try? JSONDecoder().decode(Content.self, from: Data(bytes[..<end]))) ?? Content()
    }

    /// One write of whole blocks, never fewer than there were, so that nothing of an older content stays readable.
    private static func write(_ content: Content, to file: borrowing JournalFile) throws(FileError) {
        guard let data = try? JSONEncoder().encode(content) else { return }
        var bytes = Array(data) + [UInt8(ascii: "\n")]
        let blocks = (max(bytes.count, Int(try file.status().size)) + block - 1) / block
        bytes += repeatElement(UInt8(ascii: " "), count: blocks * block - bytes.count)
        try unsafe bytes.withBytes { (buffer) throws(FileError) in try unsafe file.write(buffer, at: 0) }
    }
}
