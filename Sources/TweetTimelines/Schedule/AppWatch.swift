import Synchronization

/// Whether several accounts fail alike, which is the app's fault and no user's.
final class AppWatch: Sendable {
    /// How they fail.
    enum Failure: Sendable {
        case limited, rejected, forbidden, notFound, serverError
    }

    private let failing = Mutex<[Failure: Set<Int64>]>([:])

    /// So many in a row, without one that works, are no coincidence.
    static let many = 3

    /// A call of an account has succeeded, so that nothing is wrong with the app.
    func succeed() {
        failing.withLock { if !$0.isEmpty { $0 = [:] } }
    }

    /// A call of an account has failed.
    ///
    /// - Parameters:
    ///   - failure: how.
    ///   - account: whose call.
    /// - Returns: whether it is the app that fails.
    func isApp(_ failure: Failure, of account: Int64) -> Bool {
        failing.withLock { failing in
            failing[failure, default: []].insert(account)
            return failing[failure, default: []].count >= Self.many
        }
    }
}
