import Core

/// One durable line of the journal with what its index knows of it.
@safe
package struct JournalLine {
    /// Its number, dense per stream and journal, from 1.
    package let seq: Int64
    /// The bytes without the line end, valid during the call that hands them out.
    package let bytes: UnsafeRawBufferPointer
    package let receivedAt: Timestamp
    /// Id of the connection it came on; 0 for none.
    package let connection: Int64
    /// Whether the disk has changed the bytes since they were written: their checksum does not fit.
    package let isDamaged: Bool
}
