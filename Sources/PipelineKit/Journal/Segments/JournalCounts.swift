import Core

/// What the threads of a journal count.
package struct JournalCounts: Sendable {
    /// Lines that became durable, and their bytes with their index.
    package let lines = Counter()
    package let bytes = Counter()
    /// How long the disk took for each group of lines: write and fsync.
    package let syncs = Histogram(bounds: [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ])
    /// Lines that were dropped before Kafka had them.
    package let dropped = Counter()
    /// Segments that the archiver is done with, and attempts that failed.
    package let archived = LabelledCounters<ArchiveResult>()

    package init() {}
}

/// What came of archiving a segment.
package enum ArchiveResult: String, MetricLabel {
    case ok, failed
}
