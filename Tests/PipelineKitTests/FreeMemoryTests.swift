import Core
import Glibc
import TestSupport
import Testing

@Suite struct FreeMemoryTests {
    /// Of 128 MiB in small blocks every 64th is kept, so that the allocator by itself gives hardly anything back. In a
    /// process of its own, as the size of this one is other tests' as well.
    @Test(.disabled(if: isSanitized, "a sanitizer's allocator keeps what is freed"))
    func freedMemoryIsGivenBackOnceEnoughWasTaken() async {
        await #expect(processExitsWith: .success) {
            func resident() throws -> Int {
                let pages = try readTextFile("/proc/self/statm").split(separator: " ")
                return (Int(pages[1]) ?? 0) * 4096
            }
            var blocks: [[UInt8]?] = (0..<131_072).map { _ in [UInt8](repeating: 1, count: 992) }
            for index in blocks.indices where !index.isMultiple(of: 64) { blocks[index] = nil }
            var memory = FreeMemory(every: .zero, messages: 1)
            let freed = try resident()
            memory.giveBack()
            #expect(try resident() > freed - 48 << 20, "nothing was taken, so nothing is given back")
            memory.took()
            memory.giveBack()
            #expect(try resident() < freed - 64 << 20, "of \(freed)")
            #expect(blocks.count { $0 != nil } == 2048)
        }
    }
}
