extension Int64 {
    /// The decimal digits as ASCII, for the time of a call, without a `String` on the heap.
    @inlinable
    package func withDecimalDigits<Value>(_ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        try unsafe withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { buffer in
            var start = buffer.count
            var rest = magnitude
            repeat {
                start -= 1
                unsafe buffer[start] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if self < 0 {
                start -= 1
                unsafe buffer[start] = UInt8(ascii: "-")
            }
            return try unsafe body(UnsafeRawBufferPointer(rebasing: buffer[start...]))
        }
    }
}

extension Array where Element == UInt8 {
    /// The bytes for the time of a call, keeping the type of the error that the call throws.
    @discardableResult
    package func withBytes<Value, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = unsafe withUnsafeBytes { bytes in
            do throws(Failure) { return .success(try unsafe body(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// The bytes, to be changed, for the time of a call, keeping the type of the error that the call throws.
    package mutating func withMutableBytes<Value, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = unsafe withUnsafeMutableBytes { bytes in
            do throws(Failure) { return .success(try unsafe body(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
