/// A form that asks by GET, so that its answer has an address.
struct Form {
    private let path: String
    private var fields: [HTML] = []

    /// - Parameter path: of the page that answers.
    init(_ path: String) { self.path = path }

    /// A line of text.
    mutating func text(_ name: String, _ label: String, _ value: String?, size: Int = 16, hint: String? = nil) {
        let placeholder = hint.map { " placeholder=\"\(value: $0)\"" as HTML } ?? HTML()
        fields.append(
            """
            <p><label for="\(name)">\(label)</label>
            <input id="\(name)" name="\(name)" size="\(size)" value="\(value: value ?? "")"\(placeholder)></p>

            """)
    }

    /// One of several values; the first one is that of no choice.
    mutating func choice(_ name: String, _ label: String, _ values: [(value: String, words: String)], _ chosen: String?)
    {
        let options = values.map { value, words -> HTML in
            let selected: HTML = value == chosen ? " selected" : HTML()
            return "<option value=\"\(value: value)\"\(selected)>\(words)</option>\n"
        }
        fields.append(
            """
            <p><label for="\(name)">\(label)</label>
            <select id="\(name)" name="\(name)">
            \(options.joined())</select></p>

            """)
    }

    /// A value that is only passed on.
    mutating func hidden(_ name: String, _ value: String?) {
        guard let value else { return }
        fields.append("<input type=\"hidden\" name=\"\(name)\" value=\"\(value: value)\">\n")
    }

    /// The form with its button.
    func html(_ button: String) -> HTML {
        "<form method=\"get\" action=\"\(path)\">\n\(fields.joined())<p><button>\(button)</button></p></form>\n"
    }
}

/// Links to one page with one of several values, such as windows of time.
struct Choices {
    let label: String
    let path: String
    let name: String
    var others: [(String, String?)] = []

    /// The links.
    ///
    /// - Parameters:
    ///   - values: in their order.
    ///   - chosen: the one that the page shows.
    /// - Returns: a list.
    func html(_ values: [String], _ chosen: String) -> HTML {
        let items = values.map { value -> HTML in
            let address = Link.address(path, others + [(name, value)])
            let current: HTML = value == chosen ? " aria-current=\"true\"" : HTML()
            return "<li><a href=\"\(address)\"\(current)>\(value)</a></li>\n"
        }
        return "<ul class=\"choice\" aria-label=\"\(value: label)\">\n\(items.joined())</ul>\n"
    }
}
