import Core

/// The memory that librdkafka reads records from, kept until each of them has its delivery report.
///
/// Owned by the thread that owns the client.
@safe final class KeptBlocks {
    private let mostBytes: Int
    private var blocks: [(block: ByteBlock, records: Int)] = []
    private var bytes = 0
    /// Where the last report's block was: reports come batch by batch.
    private var latest = 0

    /// - Parameter mostBytes: how much is kept at most.
    init(mostBytes: Int) {
        self.mostBytes = mostBytes
    }

    /// Keeps a block for one more record.
    ///
    /// - Returns: false when no more is to be kept, and the record has to be copied.
    func keep(_ block: ByteBlock) -> Bool {
        if let last = blocks.indices.last, blocks[last].block === block {
            blocks[last].records += 1
            return true
        }
        guard bytes + block.capacity <= mostBytes else { return false }
        blocks.append((block, 1))
        bytes += block.capacity
        return true
    }

    /// Lets go of a block for one record, whose value begins at `address`; nothing happens when it was copied.
    func release(_ address: UnsafeRawPointer) {
        guard let place = unsafe place(of: address) else { return }
        latest = place
        blocks[place].records -= 1
        guard blocks[place].records == 0 else { return }
        bytes -= blocks[place].block.capacity
        blocks.remove(at: place)
    }

    private func place(of address: UnsafeRawPointer) -> Int? {
        if latest < blocks.count, unsafe blocks[latest].block.contains(address) { return latest }
        return blocks.firstIndex { unsafe $0.block.contains(address) }
    }
}
