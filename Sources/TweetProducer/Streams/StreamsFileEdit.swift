import Core
import Yams

/// Changes of `streams.yaml` that leave every other line as it is, comments included.
///
/// Each change is made in the text, and the result is read again: what it declares must be what was declared before and the
/// change, nothing else. A file whose form does not allow that is an error, and stays as it is.
struct StreamsFileEdit {
    private let file: StreamsFile
    private var lines: [String]

    /// - Parameter file: is not changed.
    init(_ file: StreamsFile) {
        self.file = file
        lines = file.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last?.isEmpty == true { lines.removeLast() }
    }

    // MARK: Changes

    /// Switches a stream on or off.
    ///
    /// - Parameters:
    ///   - name: of the stream.
    ///   - isActive: whether it is to run.
    /// - Returns: the file with the change.
    /// - Throws: `StreamsError`: `operator(.settings)` when there is no such stream, or only a person can change the file.
    mutating func set(_ name: String, active isActive: Bool) throws(StreamsError) -> StreamsFile {
        guard try file.stream(name).isActive != isActive else { return file }
        let index = file.streams.firstIndex { $0.name == name } ?? 0
        let item = items[index].mapping
        if let old = item?["active"]?.scalar?.string, let mark = item?["active"]?.mark {
            replace(old, at: mark, with: "\(isActive)")
        } else if let key = item?.first(where: { $0.key.string == "name" })?.key.mark {
            lines.insert(String(repeating: " ", count: key.column - 1) + "active: \(isActive)", at: key.line)
        }
        var expected = file.streams.map(Declaration.init)
        expected[index].isActive = isActive
        return try checked("active: \(isActive)", of: name) { $0 == expected }
    }

    /// Removes a stream. Comments above and below it stay.
    ///
    /// - Parameter name: of the stream.
    /// - Returns: the file without it.
    /// - Throws: `StreamsError` as for `set`.
    mutating func remove(_ name: String) throws(StreamsError) -> StreamsFile {
        _ = try file.stream(name)
        let index = file.streams.firstIndex { $0.name == name } ?? 0
        lines.removeSubrange(range(of: index))
        let expected = file.streams.filter { $0.name != name }.map(Declaration.init)
        return try checked("the removal", of: name) { $0 == expected }
    }

    /// Adds a stream behind the others.
    ///
    /// - Parameters:
    ///   - name: of the stream.
    ///   - keys: what stands below it, in order.
    ///   - settings: of `run`, in order.
    /// - Returns: the file with it.
    /// - Throws: `StreamsError` as for `set`, and when the file has a stream of this name.
    mutating func add(
        _ name: String, keys: [(String, String)], settings: [(String, String)]
    ) throws(StreamsError) -> StreamsFile {
        if let old = file.streams.first(where: { $0.name == name }) {
            throw StreamsError(
                .operator(.settings), "\(file.path):\(old.line): the file has a stream '\(name)' already")
        }
        let (place, indent) = placeForNew()
        let margin = String(repeating: " ", count: indent)
        var block = ["\(margin)- name: \(writtenYAML(name))"]
        block += keys.map { "\(margin)  \($0.0): \($0.1)" }
        if !settings.isEmpty { block.append("\(margin)  settings:") }
        block += settings.map { "\(margin)    \($0.0): \(writtenYAML($0.1))" }
        lines.insert(contentsOf: block, at: place)
        let expected = file.streams.map(Declaration.init)
        return try checked("the new stream", of: name) { found in
            found.count == expected.count + 1 && Array(found.dropLast()) == expected && found.last?.name == name
        }
    }

    // MARK: Places

    private var root: Node.Mapping? { (try? Yams.compose(yaml: file.text))?.mapping }

    private var items: [Node] { root?["streams"]?.sequence.map(Array.init) ?? [] }

    /// The first line of an item, by index from 0: that of its dash.
    private func start(_ index: Int) -> Int {
        var line = (items[index].mapping?.first?.key.mark?.line ?? 1) - 1
        while line > 0, !lines[line].trimmed.hasPrefix("-"), ["", "-"].contains(lines[line - 1].trimmed) { line -= 1 }
        return line
    }

    /// The lines of an item, without comments and empty lines behind it.
    private func range(of index: Int) -> Range<Int> {
        let start = start(index)
        let later = root.map { $0.compactMap { $0.key.mark?.line } }?.map { $0 - 1 }.filter { $0 > start } ?? []
        var end = index + 1 < items.count ? self.start(index + 1) : later.min() ?? lines.count
        while end > start + 1, lines[end - 1].trimmed.isEmpty || lines[end - 1].trimmed.hasPrefix("#") { end -= 1 }
        return start..<max(end, start)
    }

    /// Where a new stream is inserted, and how far its dash is indented; makes `streams:` when there is none.
    private mutating func placeForNew() -> (line: Int, indent: Int) {
        if let last = items.indices.last {
            let range = range(of: last)
            return (range.upperBound, lines[range.lowerBound].prefix { $0 == " " }.count)
        }
        guard let key = root?.first(where: { $0.key.string == "streams" })?.key.mark else {
            lines.append("streams:")
            return (lines.count, 2)
        }
        if let brackets = lines[key.line - 1].firstRange(of: "[]") { lines[key.line - 1].removeSubrange(brackets) }
        return (key.line, 2)
    }

    private mutating func replace(_ old: String, at mark: Mark, with new: String) {
        var scalars = Array(lines[mark.line - 1].unicodeScalars)
        let start = mark.column - 1
        // A value in quotation marks is longer than its text.
        let isQuoted = scalars.indices.contains(start) && "'\"".unicodeScalars.contains(scalars[start])
        let end = start + old.unicodeScalars.count + (isQuoted ? 2 : 0)
        guard end <= scalars.count else { return }
        scalars.replaceSubrange(start..<end, with: new.unicodeScalars)
        lines[mark.line - 1] = String(String.UnicodeScalarView(scalars))
    }

    // MARK: Check

    /// What a file says about a stream, wherever it says it.
    private struct Declaration: Equatable {
        let name: String
        let kind: DeclaredStream.Kind
        let partition: String?
        var isActive: Bool
        let settings: [String: String]

        init(_ stream: DeclaredStream) {
            (name, kind, partition) = (stream.name, stream.kind, stream.partition)
            isActive = stream.isActive
            settings = stream.settings.values.mapValues(\.text)
        }
    }

    private func checked(
        _ change: String, of name: String, _ isRight: ([Declaration]) -> Bool
    ) throws(StreamsError) -> StreamsFile {
        let new = StreamsFile(path: file.path, text: lines.map { $0 + "\n" }.joined())
        if isRight(new.streams.map(Declaration.init)) { return new }
        throw StreamsError(
            .operator(.settings),
            "\(file.path): \(change) of stream '\(name)' cannot be written into this file without changing more; edit it by"
                + " hand, then run `tweet-producer streams apply`")
    }
}
