import Foundation
import Glibc
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import Journal

/// What stays of the journal in the system's cache.
@Suite struct JournalCacheTests {
    private static let lines: Int64 = 16_000
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Bytes of a file that are in the cache (mincore(2)).
    private func cachedBytes(_ path: String) throws -> Int {
        let file = unsafe open(path, O_RDONLY)
        defer { close(file) }
        let size = Int(lseek(file, 0, SEEK_END))
        guard let memory = unsafe mmap(nil, size, PROT_READ, MAP_SHARED, file, 0), unsafe memory != MAP_FAILED else {
            throw FileError("mmap", path)
        }
        defer { unsafe munmap(memory, size) }
        var pages = [UInt8](repeating: 0, count: (size + 4095) / 4096)
        #expect(unsafe mincore(memory, size, &pages) == 0)
        return pages.count { $0 & 1 == 1 } * 4096
    }

    private func read(_ journal: Journal, isOnce: Bool) throws -> Int64 {
        var reader = try JournalReader(journal.source, from: 1, isOnce: isOnce)
        var sum: Int64 = 0
        while try reader.read(limit: 100, { line in unsafe sum += Int64(line.bytes[0]) }) > 0 {}
        return sum
    }

    /// Whether temporary folders are in memory.
    private static let isMemory: Bool = {
        let ask = ChildCommand("/usr/bin/stat", ["--file-system", "--format=%T", NSTemporaryDirectory()])
        return (try? ChildProcess.run(ask).output)?.hasPrefix("tmpfs") ?? false
    }()

    @Test(.disabled(if: isMemory, "a tmpfs has nothing but the cache"))
    func whatIsReadOnceLeavesTheCacheAndTheRestStays() throws {
        let journal = try Journal.open(folder: folder.path, stream: "s")
        let text = String(repeating: "x", count: 1000)
        for number in 1...Self.lines { try journal.append(text, at: number / 100) }
        try journal.sync()
        let path = Segment(folder: journal.source.folder, firstSeq: 1).path
        let sum = Self.lines * Int64(UInt8(ascii: "x"))
        #expect(try read(journal, isOnce: false) == sum)
        #expect(try cachedBytes(path) > 15 << 20)
        #expect(try read(journal, isOnce: true) == sum)
        #expect(try cachedBytes(path) < 8 << 20)
        // It is all still there.
        #expect(try read(journal, isOnce: false) == sum)
        #expect(try JournalVerification(folder: folder.path, stream: "s").problems == [])
    }
}
