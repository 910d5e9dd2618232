import Core
import Testing

@Suite struct ByteBlockPoolTests {
    private let pool = ByteBlockPool(capacity: 1000)

    private struct Watched {
        weak var block: ByteBlock?
    }

    private func fill(_ block: ByteBlock, with byte: UInt8) {
        _ = unsafe block.fill(atMost: block.room) { memory in
            unsafe memory.initializeMemory(as: UInt8.self, repeating: byte)
            return memory.count
        }
    }

    /// Takes so many blocks and keeps them all until the last one is there.
    private func takeBlocks(_ count: Int) -> [Watched] {
        var kept = [ByteBlock(capacity: 0)]
        for _ in 0..<count { kept.append(pool.exchange(kept[kept.count - 1], for: 1)) }
        // The last one is still its user's.
        _ = pool.exchange(kept[kept.count - 1], for: 1)
        return kept.dropFirst().map { Watched(block: $0) }
    }

    @Test func whatIsKeptIsNeverFilledAgain() {
        var block = ByteBlock(capacity: 0)
        var kept: [(block: ByteBlock, byte: UInt8)] = []
        for round in 0..<200 as Range<UInt8> {
            block = pool.exchange(block, for: 500)
            #expect(block.room == 1000)
            fill(block, with: round)
            if round.isMultiple(of: 3) { kept.append((block, round)) }
            // In the order in which they came, and out of it.
            if kept.count > 20 { kept.remove(at: Int(round) % 20) }
            #expect(kept.allSatisfy { kept in unsafe kept.block[0..<1000].allSatisfy { $0 == kept.byte } })
        }
    }

    @Test func whatNobodyKeepsIsUsedAgainAndASurplusGoes() {
        let blocks = takeBlocks(30)
        #expect(blocks.count { $0.block != nil } == 30)
        var block = ByteBlock(capacity: 0)
        for _ in 0..<40 { block = pool.exchange(block, for: 1) }
        #expect(blocks.contains { $0.block === block })
        #expect((1...10).contains(blocks.count { $0.block != nil }))
    }

    @Test func aLongLineGetsABlockOfItsOwn() {
        let long = pool.exchange(ByteBlock(capacity: 0), for: 5000)
        #expect(long.capacity == 5000)
        let watched = Watched(block: long)
        #expect(pool.exchange(long, for: 1).capacity == 1000 && watched.block != nil)
    }
}
