import Glibc

/// What to do about a message that X sends in the stream instead of a post.
package enum ControlReaction: Sendable, Equatable {
    /// The message says nothing about the connection.
    case goOn
    /// X ends this connection for its own reasons: connect again at once.
    case reconnect
    /// X ends it because this reader was too slow or another connection took its place: connect again, and say so loudly.
    case reconnectWithAlarm
    /// The rules are missing or invalid: connect again at the pace of missing rules.
    case checkRules
    /// Another connection is open on X's side: wait as for HTTP 429.
    case waitForOtherConnection
    /// X refuses the account or app: wait long.
    case waitForAccount
    /// An undocumented message: reconnect by the HTTP back-off.
    case reconnectSlowly
}

/// A message in the stream that is not a post: a disconnect, or a problem (X: "Handling disconnections").
package struct StreamControl: Sendable, Equatable {
    /// `disconnect_type`, else `connection_issue`, else the title or the last segment of the problem type.
    package let cause: String
    /// X's sentence about it, if it sent one.
    package let detail: String?
    package let reaction: ControlReaction
}

/// One line of the stream, classified only as far as the reader needs.
package enum StreamMessage: Sendable, Equatable {
    /// A line that may hold a post.
    case post
    case control(StreamControl)
    /// Neither a post nor a message of a known form: not JSON, or a new kind.
    case unknown

    /// Longer lines without a post are not looked into, so that garbage cannot keep the reader busy.
    private static let longestControlLine = 65_536

    /// Whether bytes are one whole JSON object, as every message is: so a line without its end can be distinguished from a part of one.
    package static func isWhole(_ line: UnsafeRawBufferPointer) -> Bool {
        guard let first = unsafe line.first(where: { $0 > 0x20 }), first == UInt8(ascii: "{") else { return false }
        var parser = JSONParser()
        return (try? unsafe parser.parse(line)) != nil
    }

    /// Only lines without `"data"` are parsed; a post always has it.
    package init(line: UnsafeRawBufferPointer) {
        if unsafe holdsData(line) {
            self = .post
        } else if line.count <= Self.longestControlLine,
            let message = unsafe ProblemObject(Array(line)), let control = StreamControl(message)
        {
            self = .control(control)
        } else {
            self = .unknown
        }
    }
}

extension StreamControl {
    /// Problems of single posts or users. Without a post beside them they are odd, but no end of the connection.
    private static let resourceProblems: Set<String> = [
        "disallowed-resource", "field-hydration-failure", "field-unauthorized", "not-authorized-for-field",
        "not-authorized-for-resource", "resource-not-found", "resource-unavailable",
    ]

    init?(_ message: ProblemObject) {
        guard
            let cause = message.disconnectType ?? message.connectionIssue ?? message.title ?? message.type
                ?? message.message
        else { return nil }
        self.cause = String(cause.unicodeScalars.prefix(100))
        detail = message.detail.map { String($0.unicodeScalars.prefix(300)) }
        reaction = Self.reaction(message)
    }

    private static func reaction(_ message: ProblemObject) -> ControlReaction {
        if let disconnectType = message.disconnectType { return reaction(disconnectType: disconnectType) }
        switch message.connectionIssue {
        case "TooManyConnections": return .waitForOtherConnection
        case "RuleConfigurationIssue", "RulesInvalidIssue": return .checkRules
        case "ProvisioningSubscription": return .reconnectSlowly
        default: break
        }
        if message.type == "operational-disconnect" { return .reconnect }
        return resourceProblems.contains(message.type ?? "") ? .goOn : .reconnectSlowly
    }

    private static func reaction(disconnectType: String) -> ControlReaction {
        switch disconnectType {
        case "OperationalDisconnect", "UpstreamOperationalDisconnect", "UpstreamUncleanDisconnect", "InternalError",
            "PackageUpgraded", "PackageDowngraded":
            .reconnect
        case "SlowReader", "ForceDisconnect": .reconnectWithAlarm
        case "InvalidRules": .checkRules
        case "ClientApplicationStateDegraded": .waitForAccount
        default: .reconnectSlowly
        }
    }
}

/// Whether `bytes` hold the member name of a post; it is nearly always the first word of the line.
private func holdsData(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let name: StaticString = "\"data\""
    var rest = unsafe bytes
    while let start = rest.baseAddress, rest.count >= name.utf8CodeUnitCount,
        let quote = unsafe memchr(start, Int32(UInt8(ascii: "\"")), rest.count - name.utf8CodeUnitCount + 1)
    {
        if unsafe memcmp(quote, name.utf8Start, name.utf8CodeUnitCount) == 0 { return true }
        unsafe rest = UnsafeRawBufferPointer(rebasing: rest[(UnsafeRawPointer(quote) - start + 1)...])
    }
    return false
}
