/// What to do about an error. Modules throw errors that say this; only commands know exit statuses.
package enum Disposition: Sendable, Equatable {
    /// The same may succeed soon: a limit has a new window, another process ends, a file descriptor is free.
    case retry
    /// What is needed is unreachable, or does not work: retry until it does.
    case wait
    /// The data is not what it should be; other data may be.
    case reject
    /// A file of ours has to be made anew from what is known.
    case rebuild
    /// A person has to do something.
    case `operator`(Need)

    /// What a person has to look at.
    package enum Need: Sendable {
        case disk, credentials, settings
    }
}

/// An error of a module that says what to do about it.
package protocol DisposedError: Error, CustomStringConvertible, Sendable {
    /// What to do about it.
    var disposition: Disposition { get }
}

extension Failure {
    /// The end of a command that an error of a module has caused: the one place where a disposition becomes an exit status.
    package init(_ error: any DisposedError) {
        let status: ExitStatus =
            switch error.disposition {
            case .retry: .tryAgain
            case .wait: .unavailable
            case .reject: .badData
            case .rebuild, .operator(.disk): .disk
            case .operator(.credentials): .refusedCredentials
            case .operator(.settings): .badSettings
            }
        self.init(status, error.description)
    }
}
