/// A rule as X holds it.
package struct XRule: Equatable, Sendable {
    package let id: String
    package let value: String
    package let tag: String?

    package init(id: String, value: String, tag: String?) {
        self.id = id
        self.value = value
        self.tag = tag
    }
}

/// A rule as it is sent to X.
package struct NewRule: Equatable, Sendable {
    package let value: String
    package let tag: String?

    package init(value: String, tag: String?) {
        self.value = value
        self.tag = tag
    }
}
