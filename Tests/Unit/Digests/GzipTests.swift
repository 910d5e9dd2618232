import TestSupport
import Testing

@testable import Core
@testable import Digests

@Suite(.timeLimit(.minutes(5))) struct GzipTests {
    @Test("what is compressed in memory is read as a gzip file", arguments: [0, 1, 100, 1 << 20])
    func roundTrip(count: Int) throws {
        var random = SplitMix64(seed: 7)
        let bytes = (0..<count).map { _ in UInt8.random(in: 97...104, using: &random) }
        let compressed = gzipped(bytes)
        let folder = try TemporaryFolder()
        try unsafe compressed.withBytes { try unsafe JournalFile(appendingTo: folder.path + "/f.gz").append($0) }
        let reader = try GzipReader(folder.path + "/f.gz")
        var (found, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1 << 16))
        while true {
            let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe reader.read(into: $0) }
            if count == 0 { break }
            found += buffer[..<count]
        }
        #expect(found == bytes)
        if count > 1000 { #expect(compressed.count < bytes.count / 2) }
    }
}
