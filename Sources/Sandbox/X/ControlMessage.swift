/// X's messages in the stream that are no posts (documentation, "Handling disconnections").
package enum ControlMessage {
    /// The values of `disconnect_type` in X's OpenAPI description, the last two in older ones only.
    package static let disconnectTypes = [
        "OperationalDisconnect", "UpstreamOperationalDisconnect", "ForceDisconnect", "UpstreamUncleanDisconnect",
        "SlowReader", "InternalError", "ClientApplicationStateDegraded", "InvalidRules", "PackageUpgraded",
        "PackageDowngraded",
    ]
    /// The values of `connection_issue` there.
    package static let connectionIssues = [
        "TooManyConnections", "ProvisioningSubscription", "RuleConfigurationIssue", "RulesInvalidIssue",
    ]

    /// The message of a kind, without a line end; a kind that is in neither list becomes a `disconnect_type`. X usually
    /// sends it in a list `errors`, which a bare one has not.
    package static func line(_ kind: String, isBare: Bool = false) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { message in
            if isBare { problem(kind, &message) } else { message.field("errors", objects: [kind]) { problem($1, &$0) } }
        }
        return writer.bytes
    }

    private static func problem(_ kind: String, _ problem: inout JSONWriter) {
        if connectionIssues.contains(kind) {
            problem.field("title", "ConnectionException")
            problem.field("detail", "This stream has a connection issue: \(kind).")
            problem.field("connection_issue", kind)
            problem.field("type", "https://api.twitter.com/2/problems/streaming-connection")
        } else {
            problem.field("title", "operational-disconnect")
            problem.field("disconnect_type", kind)
            problem.field("detail", "This stream has been disconnected: \(kind).")
            problem.field("type", "https://api.twitter.com/2/problems/operational-disconnect")
        }
    }
}
