import Glibc

/// Files of lines that were fetched from a bucket into a folder of their own, which goes with this value.
package final class S3Download {
    /// The files to read, in the order of their keys; receipts lie beside them.
    package let files: [ReplayFile]
    private let folder: String
    private let paths: [String]

    /// Fetches everything below `s3://BUCKET/PREFIX` whose name says that it holds lines.
    ///
    /// - Throws: `Failure` 78 for a bad address or an empty one, 69 when S3 refuses, 74 when the disk does.
    package init(_ url: String, _ settings: S3Settings, stop: Stop) throws(Failure) {
        guard let location = S3Location(url) else {
            throw Failure(.badSettings, "'\(url)' must be s3://BUCKET or s3://BUCKET/PREFIX")
        }
        folder = (ProcessEnvironment.current["TMPDIR"] ?? "/tmp") + "/tweet-replay-\(getpid())"
        do { (files, paths) = try Self.fetch(location, settings, into: folder, stop: stop) } catch {
            if let error = error as? S3Error { throw Failure(.unavailable, "replay: \(error)") }
            throw error as? Failure ?? Failure(.disk, "replay: \(error)")
        }
        guard !files.isEmpty else {
            throw Failure(.badSettings, "\(url) holds no file of JSON Lines (.jsonl, .ndjson, .json, each also .gz)")
        }
    }

    deinit {
        var folders = Set([folder])
        for path in paths {
            try? JournalFolder.remove(path)
            folders.insert(Self.folder(of: path))
        }
        for path in folders {
            var path = path
            while path.hasPrefix(folder), unsafe rmdir(path) == 0 { path = Self.folder(of: path) }
        }
    }

    private static func folder(of path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    private static func fetch(
        _ location: S3Location, _ settings: S3Settings, into folder: String, stop: Stop
    ) throws -> ([ReplayFile], [String]) {
        var client = try S3Client(settings, bucket: location.bucket, stop: stop)
        var paths: [String] = []
        for object in try client.list(prefix: location.prefix) where ReplayFile.holdsLines(object.key, orReceipts: true)
        {
            let parts = object.key.split(separator: "/").filter { $0 != ".." && $0 != "." }
            let path = folder + "/" + parts.joined(separator: "/")
            try JournalFolder.create(Self.folder(of: path))
            paths.append(path)
            try JournalFolder.remove(path)
            let file = try JournalFile(appendingTo: path)
            var written: Int64 = 0
            var refusal: FileError?
            try unsafe client.get(object.key) { piece in
                do throws(FileError) {
                    try unsafe file.append(piece)
                    written += Int64(piece.count)
                    return true
                } catch {
                    refusal = error
                    return false
                }
            }
            if let refusal { throw refusal }
            guard written == object.bytes else {
                throw Failure(.unavailable, "s3://\(location.bucket)/\(object.key) came with \(written) bytes")
            }
        }
        return (try paths.filter { ReplayFile.holdsLines($0, orReceipts: false) }.map { try ReplayFile($0) }, paths)
    }
}
