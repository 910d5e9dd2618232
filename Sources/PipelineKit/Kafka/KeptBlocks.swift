/// The memory that librdkafka reads records from, kept until each of them has its delivery report.
///
/// Owned by the thread that owns the client.
@safe final class KeptBlocks {
    /// A record that its broker does not take keeps the whole block it stands in, so there must be an end to it beside
    /// `queue.buffering.max.kbytes`, which counts only records: beyond this many bytes records are copied.
    static let mostBytes = 24 << 20

    private var blocks: [(block: ByteBlock, records: Int)] = []
    private var bytes = 0
    /// Where the last report's block was: reports come batch by batch.
    private var latest = 0

    /// Keeps a block for one more record.
    ///
    /// - Returns: false when no more is to be kept, and the record has to be copied.
    func keep(_ block: ByteBlock) -> Bool {
        if let last = blocks.indices.last, blocks[last].block === block {
            blocks[last].records += 1
            return true
        }
        guard bytes + block.capacity <= Self.mostBytes else { return false }
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
