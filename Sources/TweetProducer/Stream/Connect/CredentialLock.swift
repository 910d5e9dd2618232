import Core
import Logging
import XAPI

/// What belongs to one bearer token at one address: the lock of this host, and the budget of its connections.
final class CredentialLock {
    /// Names the credential without telling it.
    let name: String
    let budget: ConnectBudget
    private let lock: HostLock?

    /// - Parameters:
    ///   - name: from `ConnectBudget.name`.
    ///   - settings: of the stream.
    ///   - folder: the stream's folder; the budget is in the one above it.
    ///   - logger: warns when there can be no lock or no file.
    /// - Throws: `XError`: `retry` when another process of this host holds the lock.
    init(named name: String, _ settings: StreamSettings, folder: String, logger: Logger) throws(XError) {
        self.name = name
        lock = try Self.takeLock(name, settings, folder: folder, logger: logger)
        budget = ConnectBudget(
            folder: Self.budgetFolder(folder), credential: Self.budgetName(name, settings.source.kind),
            limit: settings.connectBudget, logger: logger)
    }

    /// Whether it is certain that no other process of this host reads the stream with this credential.
    var isLocked: Bool { lock != nil }

    /// Where the budgets are: beside the streams' folders, because a credential may serve several.
    static func budgetFolder(_ folder: String) -> String {
        String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]) + "/.x"
    }

    /// Names a budget: X limits the attempts for each endpoint.
    ///
    /// - Parameters:
    ///   - name: from `ConnectBudget.name`.
    ///   - kind: of the stream.
    /// - Returns: the credential of `ConnectBudget`.
    static func budgetName(_ name: String, _ kind: StreamKind) -> String {
        kind == .filtered ? name : "\(name)-\(kind.rawValue)"
    }

    private static func takeLock(
        _ name: String, _ settings: StreamSettings, folder: String, logger: Logger
    ) throws(XError) -> HostLock? {
        do {
            return try HostLock(
                folder: settings.lockFolder, credential: name,
                stream: settings.plan == .enterprise ? settings.stream : nil,
                purpose: "stream \(settings.stream), journal \(folder)")
        } catch let error as XError {
            throw error
        } catch {
            logger.warning(
                "cannot check whether another process on this host uses the same credential (X_LOCK_DIR)",
                metadata: ["reason": "\(error)"])
            return nil
        }
    }
}
