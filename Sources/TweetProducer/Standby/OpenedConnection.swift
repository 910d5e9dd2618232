/// A connection that X answered with 200, by this host's clock.
struct OpenedConnection: Codable, Equatable, Sendable {
    /// The stream that it was made for.
    var stream: String
    /// When it was begun, in milliseconds since 1970.
    var begun: Int64
    /// When the 200 came.
    var opened: Int64
}
