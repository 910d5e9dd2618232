import Testing

/// One exposition, and the values in it by name and labels as they are written.
struct Exposition {
    let text: String
    let values: [String: Double]

    init(_ text: String) {
        self.text = text
        let samples = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
            line.lastIndex(of: " ").flatMap { space in
                Double(line[line.index(after: space)...]).map { (String(line[..<space]), $0) }
            }
        }
        values = Dictionary(samples, uniquingKeysWith: { first, _ in first })
        #expect(values.count == samples.count, "a series stands there twice")
    }

    subscript(name: String) -> Double? { values[name] }

    /// The same, and less than nothing for a series that is not there.
    func value(_ name: String) -> Double { values[name] ?? -1 }

    /// The sum of a family's series.
    func sum(_ name: String) -> Double {
        values.filter { $0.key == name || $0.key.hasPrefix(name + "{") }.values.reduce(0, +)
    }
}
