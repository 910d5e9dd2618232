import CLibFuzzer
import Glibc

/// libFuzzer on one of the readers of foreign bytes: `fuzz framer|control|tweet [libFuzzer's options] [corpus…]`.
///
/// Each target checks properties, and ends the process by a trap when one does not hold: libFuzzer then keeps the input.
@main
enum Fuzz {
    static func main() {
        var arguments = CommandLine.arguments
        guard arguments.count > 1, let target = unsafe targets[arguments.remove(at: 1)] else {
            print("usage: fuzz \(unsafe targets.keys.sorted().joined(separator: "|")) [option…] [corpus…]")
            exit(64)
        }
        var count = Int32(arguments.count)
        var values = unsafe arguments.map { unsafe strdup($0) } + [nil]
        let status = unsafe values.withUnsafeMutableBufferPointer { buffer in
            var start = buffer.baseAddress
            return unsafe LLVMFuzzerRunDriver(&count, &start, target)
        }
        exit(status)
    }

    private typealias Target = @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32

    private static var targets: [String: Target] {
        unsafe [
            "framer": { bytes, count in
                unsafe FramerTarget.run(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            },
            "control": { bytes, count in
                unsafe ControlTarget.run(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            },
            "tweet": { bytes, count in
                unsafe TweetTarget.run(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            },
        ]
    }
}

/// Ends the process when a property does not hold.
func expect(_ property: Bool, _ text: StaticString) {
    if !property { fatalError("does not hold: \(text)") }
}
