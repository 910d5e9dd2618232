package import Core
package import Journal

/// A line as a test sees it.
package struct ReadLine: Equatable {
    package let seq: Int64
    package let text: String
    package let receivedAt: Timestamp
    package let connection: Int64

    package init(seq: Int64, text: String, receivedAt: Timestamp, connection: Int64) {
        self.seq = seq
        self.text = text
        self.receivedAt = receivedAt
        self.connection = connection
    }
}

extension Journal {
    /// Appends a line; its position tells when it is durable.
    @discardableResult
    package func append(_ text: String, at milliseconds: Int64 = 1000, connection: Int64 = 7) throws -> JournalPosition
    {
        try unsafe Array(text.utf8).withBytes { (bytes) throws(FileError) in
            try unsafe append(bytes, receivedAt: Timestamp(milliseconds: milliseconds), connection: connection)
        }
    }

    package func lines(from seq: Int64 = 1) throws -> [ReadLine] {
        var reader = try JournalReader(source, from: seq)
        var result: [ReadLine] = []
        while try reader.read(
            limit: 3,
            { line in
                let text = unsafe String(decoding: line.bytes, as: UTF8.self)
                result.append(
                    ReadLine(seq: line.seq, text: text, receivedAt: line.receivedAt, connection: line.connection))
            }) > 0
        {}
        return result
    }
}
