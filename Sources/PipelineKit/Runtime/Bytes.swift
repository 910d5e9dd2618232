extension Array where Element == UInt8 {
    /// The bytes for the time of a call, keeping the type of the error that the call throws.
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
