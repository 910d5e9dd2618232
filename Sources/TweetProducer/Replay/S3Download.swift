import Core
import Glibc
import Journal
import ObjectStore

/// The files of lines below an address `s3://BUCKET/PREFIX`, as they are to be replayed.
package enum S3Files {
    /// Lists the objects whose name says that they hold lines, in the order of their keys; nothing is fetched.
    ///
    /// - Throws: `ReplayError`: `operator` for a bad address or an empty one, `wait` when S3 rejects the request.
    package static func list(_ url: String, _ settings: S3Settings, stop: Stop) throws(ReplayError) -> [ReplayFile] {
        guard let location = S3Location(url) else {
            throw ReplayError(.operator(.settings), "'\(url)' must be s3://BUCKET or s3://BUCKET/PREFIX")
        }
        let found: [S3Client.Object]
        do throws(S3Error) {
            var client = try S3Client(settings, bucket: location.bucket, stop: stop)
            found = try client.list(prefix: location.prefix)
        } catch { throw ReplayError(.wait, "replay: \(error)") }
        let keys = Dictionary(found.map { ($0.key, $0.bytes) }) { first, _ in first }
        let files = found.filter { ReplayFile.holdsLines($0.key, orReceipts: false) }.map { object in
            var receipts: S3Client.Object?
            let folder = object.key.lastIndex(of: "/").map { String(object.key[...$0]) } ?? ""
            if let name = ArchiveName(String(object.key.dropFirst(folder.count))) {
                receipts = keys[folder + name.receipts].map { .init(key: folder + name.receipts, bytes: $0) }
            }
            return ReplayFile(
                S3Object(bucket: location.bucket, lines: object, receipts: receipts, settings: settings, stop: stop))
        }
        guard !files.isEmpty else { throw ReplayError(.operator(.settings), "\(url) \(ReplayFile.noFiles)") }
        return files
    }
}

/// An object with lines, which is fetched when it is read.
struct S3Object: Sendable {
    let bucket: String
    let lines: S3Client.Object
    /// Where our archive has put its receipts; nil for an object of other tools.
    let receipts: S3Client.Object?
    let settings: S3Settings
    let stop: Stop

    var key: String { lines.key }
    var bytes: Int64 { lines.bytes }
    var url: String { "s3://\(bucket)/\(key)" }

    /// Fetches it into a folder that only this user can enter, and removes it when `body` ends.
    ///
    /// - Throws: `ReplayError`: `wait` when S3 rejects a request, `operator` when the disk fails; what `body` throws.
    func withFile(_ body: (_ path: String) throws -> Void) throws {
        do {
            let folder = try PrivateFolder()
            defer { folder.remove() }
            // The folder's name in the bucket is the journal's; see `ReplayFile.init`. Any other name stays outside.
            let parts = key.split(separator: "/").map(String.init)
            let id = parts.dropLast().last.flatMap { JournalIdentity.isID($0) ? $0 : nil }
            let journal = folder.path + "/" + (id ?? "object")
            try JournalFolder.create(journal)
            var client = try S3Client(settings, bucket: bucket, stop: stop)
            for object in [receipts, lines].compactMap(\.self) {
                let name = object.key.split(separator: "/").last.map(String.init) ?? object.key
                try fetch(object, to: journal + "/" + name, &client)
            }
            let path = journal + "/" + (parts.last ?? key)
            do { try body(path) } catch let error as any DisposedError where error.disposition == .reject {
                throw ReplayError(.reject, error.description.replacing(path, with: url))
            }
        } catch let error as S3Error {
            throw ReplayError(.wait, "replay: \(error)")
        } catch let error as FileError {
            throw ReplayError(error)
        }
    }

    private func fetch(_ object: S3Client.Object, to path: String, _ client: inout S3Client) throws {
        let file = try JournalFile(creating: path)
        var written: Int64 = 0
        var problem: FileError?
        try unsafe client.get(object.key) { piece in
            do throws(FileError) {
                try unsafe file.append(piece)
                written += Int64(piece.count)
                // An object that grew since the listing must not fill the disk.
                return written <= object.bytes
            } catch {
                problem = error
                return false
            }
        }
        if let problem { throw problem }
        guard written == object.bytes else {
            throw ReplayError(
                .wait, "s3://\(bucket)/\(object.key) came with \(written) bytes instead of \(object.bytes)")
        }
    }
}

/// A new folder below TMPDIR that only this user can enter.
struct PrivateFolder {
    let path: String

    /// - Throws: `FileError` when it cannot be made.
    init() throws(FileError) {
        let template = (ProcessEnvironment.current["TMPDIR"] ?? "/tmp") + "/tweet-replay-XXXXXX"
        var name = Array(template.utf8CString)
        let isMade = unsafe name.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
        guard isMade else { throw FileError("create folder", template) }
        path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes it with what it holds: folders of files. Best effort.
    func remove() {
        for folder in (try? JournalFolder.names(path)) ?? [] {
            for name in (try? JournalFolder.names(path + "/" + folder)) ?? [] {
                try? JournalFolder.remove(path + "/" + folder + "/" + name)
            }
            _ = unsafe rmdir(path + "/" + folder)
        }
        _ = unsafe rmdir(path)
    }
}
