import Core
import XAPI

/// `streams.yaml`: the streams of a host.
struct StreamsFile: Sendable {
    /// The file, absolute and without links.
    let path: String
    let text: String
    let streams: [DeclaredStream]
    /// What is wrong with the form of the file, one text each.
    private let mistakes: [String]

    /// - Parameters:
    ///   - path: absolute; relative paths in the file begin at its folder.
    ///   - text: of the file.
    init(path: String, text: String) {
        var reading = StreamsFileReading(path: path)
        reading.read(text)
        (self.path, self.text) = (path, text)
        (streams, mistakes) = (reading.streams, reading.mistakes)
    }

    /// Reads the file.
    ///
    /// - Parameter path: of the file; links are followed, so that an edit does not replace one.
    /// - Returns: the file with everything that is wrong with it.
    /// - Throws: `StreamsError`: `operator(.settings)` when it cannot be read.
    static func read(_ path: String) throws(StreamsError) -> StreamsFile {
        do throws(FileError) {
            let text = try readTextFile(path)
            return StreamsFile(path: FilePath.real(path) ?? path, text: text)
        } catch {
            throw StreamsError(
                .operator(.settings),
                "\(error). Name the file that declares the streams with \(FleetSettings.fileSetting.title).")
        }
    }

    var active: [DeclaredStream] { streams.filter(\.isActive) }

    /// A stream by its name.
    ///
    /// - Parameter name: of the stream.
    /// - Returns: the stream.
    /// - Throws: `StreamsError`: `operator(.settings)` when the file has none of this name.
    func stream(_ name: String) throws(StreamsError) -> DeclaredStream {
        if let found = streams.first(where: { $0.name == name }) { return found }
        let meant = nearest(name, among: streams.map(\.name)).map { "; did you mean \($0)?" } ?? ""
        throw StreamsError(.operator(.settings), "\(path) has no stream '\(name)'\(meant)")
    }

    /// Whether the form of the file is right, so that `streams` is what it declares.
    var isWellFormed: Bool { mistakes.isEmpty }

    /// Checks the form of the file alone.
    ///
    /// - Throws: `StreamsError`: `operator(.settings)` that lists every error.
    func requireForm() throws(StreamsError) {
        guard isWellFormed else { throw StreamsError(.operator(.settings), mistakes.joined(separator: "\n")) }
    }

    /// What is wrong with the form of the file, with the settings of every active stream as `run` would read them, and where
    /// two of them use the same credential; one text each.
    var errors: [String] { mistakes + settingsMistakes() }

    /// Checks that there are no errors.
    ///
    /// - Throws: `StreamsError`: `operator(.settings)` that lists every error.
    func requireGood() throws(StreamsError) {
        let all = errors
        guard all.isEmpty else { throw StreamsError(.operator(.settings), all.joined(separator: "\n")) }
    }

    /// Writes the file in the place of the one that it was made from, with the owner and the permissions of that one.
    ///
    /// - Parameter old: the file as it was read.
    /// - Returns: whether they differ.
    /// - Throws: `StreamsError`: `retry` when somebody, such as an editor, has written the file meanwhile; `operator(.disk)`.
    func replace(_ old: StreamsFile) throws(StreamsError) -> Bool {
        guard text != old.text else { return false }
        guard ((try? readTextFile(path)) ?? "") == old.text else {
            throw StreamsError(
                .retry, "\(path) was changed while this command ran, which has changed nothing; run it again")
        }
        do throws(FileError) {
            let status = try FilePath.status(path)
            try DurableText.replace(
                path, with: text, owner: status?.owner, group: status?.group, mode: status?.mode ?? 0o644)
        } catch { throw StreamsError(error) }
        return true
    }

    private struct Credential {
        let stream: DeclaredStream
        let name: String
        let plan: AccountPlan
    }

    private func settingsMistakes() -> [String] {
        var (found, credentials): ([String], [Credential]) = ([], [])
        for stream in active {
            var reader = SettingsReader(file: stream.settings)
            let known = reader.mistakes
            if stream.text(BearerToken.fileSetting) == nil, stream.text(BearerToken.valueSetting) == nil {
                found.append("\(path):\(stream.line): stream '\(stream.name)' has no token_file")
                continue
            }
            let settings = ProducerSettings(&reader)
            found += reader.mistakes.filter { !known.contains($0) }.map { "stream '\(stream.name)': \($0)" }
            guard let token = try? settings.stream.x.token.read() else { continue }
            let name = ConnectBudget.name(url: settings.stream.x.url, token: token)
            credentials.append(Credential(stream: stream, name: name, plan: settings.stream.plan))
        }
        return found + sharedAddresses() + shared(credentials)
    }

    /// One address serves one process.
    private func sharedAddresses() -> [String] {
        let setting = StreamAddresses.setting
        var first: [String: DeclaredStream] = [:]
        return active.compactMap { stream in
            guard let address = stream.text(setting), address != StreamAddresses.off else { return nil }
            guard let other = first[address] else {
                first[address] = stream
                return nil
            }
            return
                "streams '\(other.name)' (\(path):\(other.line)) and '\(stream.name)' (\(path):\(stream.line)) have the same"
                + " \(setting.fileKey): remove it, and each has a port of its own"
        }
    }

    /// X's self-serve plans allow one connection for an app; with an enterprise plan each endpoint has its own.
    private func shared(_ credentials: [Credential]) -> [String] {
        credentials.indices.flatMap { index in
            credentials[..<index].compactMap { first -> String? in
                let second = credentials[index]
                guard first.name == second.name else { return nil }
                let isEnterprise = first.plan == .enterprise && second.plan == .enterprise
                if isEnterprise, first.stream.endpoint != second.stream.endpoint { return nil }
                return "streams '\(first.stream.name)' (\(path):\(first.stream.line)) and '\(second.stream.name)' "
                    + "(\(path):\(second.stream.line)) have the same token, and X allows one connection for an app: make the "
                    + "filters rules of one stream, or deactivate one of the streams"
            }
        }
    }
}
