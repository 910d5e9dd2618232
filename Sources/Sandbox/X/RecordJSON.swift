extension XSimulator {
    /// The record as JSON: totals, and each connection with its counts or all its lines.
    func recordJSON(withLines: Bool) -> [UInt8] {
        let connections = record.connections
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("now", clock.now.description)
            answer.field("attempts", literal: record.attempts.count)
            answer.field("searches", search.asked)
            answer.field("issued", literal: feed.issued)
            answer.field("is_finished", literal: feed.isFinished)
            answer.field("refused") { refused in
                for (status, count) in record.refused.sorted(by: { $0.key < $1.key }) {
                    refused.field(String(status), literal: count)
                }
            }
            answer.field("connections", objects: connections) { write($1, &$0, withLines: withLines) }
        }
        return writer.bytes
    }

    private func write(_ connection: StreamConnection, _ writer: inout JSONWriter, withLines: Bool) {
        writer.field("number", literal: connection.number)
        writer.field("id", connection.id)
        writer.field("client_ip", connection.clientAddress)
        writer.field("started_at", connection.startedAt.description)
        if let end = connection.endedAt { writer.field("ended_at", end.description) }
        writer.field("ending", connection.ending.rawValue)
        writer.field("query", connection.query)
        writer.field("written", literal: connection.written.count)
        writer.field("cut", literal: connection.cut.count)
        writer.field("extra", literal: connection.extra.count)
        writer.field("keep_alives", literal: connection.keepAlives)
        guard withLines else { return }
        writer.field("lines", objects: connection.written) { object, line in
            object.field("index", literal: line.index)
            if let id = feed.id(of: line.index) { object.field("id", String(id)) }
            object.field("at", line.at.description)
        }
        writer.field("cut_lines", connection.cut.map(String.init))
    }
}
