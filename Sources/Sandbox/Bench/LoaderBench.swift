import Core

/// A full topic into PostgreSQL with one and more writers, against psql's `\copy` of the very rows that landed, and against a
/// Python loader.
struct LoaderBench {
    let rows: Int
    let shapes: [LoadShape]
    let writers: [Int]
    let peers: PythonPeers
    /// Whether what each statement takes in PostgreSQL is listed too.
    let listsStatements: Bool

    func run() throws -> [Figure] {
        let database = try BenchDatabase(countsStatements: listsStatements)
        defer { database.postgres.destroy() }
        return try shapes.flatMap { try measure($0, database) }
    }

    private func measure(_ shape: LoadShape, _ database: BenchDatabase) throws -> [Figure] {
        let topic = try FilledTopic(shape, rows: rows)
        defer { topic.kafka.process?.stop() }
        var (figures, rates) = ([Figure](), [Int: Double]())
        var copy: CopyReference.Result?
        for count in writers {
            let name = "bench_\(shape.name)"
            figures += try database.with(name, topic) { url in
                tellProgress("loader: \(shape.rawValue): loading \(rows) messages, \(writersText(count))")
                let load = try LoadRun(topic, shape, database: url, writers: count)
                rates[count] = load.perSecond
                let statements = try database.statements(in: name, "loader_\(shape.name)_\(count)")
                let reference = try copy ?? CopyReference(postgres: database.postgres, database: name).run(shape)
                defer { copy = reference }
                let again = shape == .whole && copy == nil ? try redeliver(topic, database, name, url) : []
                return describe(load, shape, count, topic) + statements
                    + (copy == nil ? reference.figures(shape) : []) + ratios(load, reference, shape, count) + again
            }
        }
        return figures + (try peers.loader(topic, shape, database.postgres, ours: rates))
    }

    private func redeliver(
        _ topic: FilledTopic, _ database: BenchDatabase, _ name: String, _ url: String
    ) throws -> [Figure] {
        tellProgress("loader: loading the same messages again")
        try database.postgres.query("DELETE FROM loader_offsets", database: name)
        let again = try LoadRun(topic, .whole, database: url, writers: 1)
        return [
            Figure(
                "redelivery_per_second", again.perSecond, "messages/s", "loader: redelivery of settled messages",
                atLeast: 200_000),
            Figure("redelivery_cpu", again.cpuSeconds / Double(rows) * 1e6, "µs", "  CPU time a message"),
        ]
    }

    private func ratios(
        _ load: LoadRun, _ copy: CopyReference.Result, _ shape: LoadShape, _ writers: Int
    ) -> [Figure] {
        [("text", copy.text), ("binary", copy.binary)].map { format, seconds in
            Figure(
                "\(prefix(shape, writers))_ratio_\(format)", seconds / load.seconds, "", "  loader ÷ \\copy, \(format)",
                atLeast: shape.bar(copy: format))
        }
    }

    private func prefix(_ shape: LoadShape, _ writers: Int) -> String {
        "loader_\(shape.name)" + (writers == 1 ? "" : "_\(writers)_writers")
    }

    private func describe(_ load: LoadRun, _ shape: LoadShape, _ writers: Int, _ topic: FilledTopic) -> [Figure] {
        let name = prefix(shape, writers)
        let about = "loader: \(shape.rawValue), \(writersText(writers))"
        var figures = [
            Figure("\(name)_per_second", load.perSecond, "tweets/s", about),
            Figure("\(name)_bytes_per_second", load.perSecond * topic.lineBytes / 1e6, "MB/s", "  the same in bytes"),
            Figure("\(name)_cpu", load.cpuSeconds / Double(rows) * 1e6, "µs", "  CPU time a tweet"),
            Figure("\(name)_peak_memory", load.peakMiB, "MiB", "  peak memory", atMost: 256),
        ]
        guard writers == 1 else { return figures }
        let decode = DecoderBench.secondsPerLine(shape)
        figures += [
            Figure("\(name)_decode", decode * 1e6, "µs", "  of the CPU time, decoding alone"),
            Figure("\(name)_decode_share", decode * Double(rows) / load.cpuSeconds * 100, "%", "  decoding's share"),
        ]
        return figures
    }
}
