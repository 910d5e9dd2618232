extension StreamSource {
    /// The request in the place of rules: what was asked of X, in the events and the table of rules. X's rules have other ids.
    package var asRule: XRule {
        let parameters = query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        return XRule(id: "0", value: "GET \(kind.path)" + (parameters.isEmpty ? "" : "?" + parameters), tag: nil)
    }
}
