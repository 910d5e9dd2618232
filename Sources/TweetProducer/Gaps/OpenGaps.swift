import Core
import Synchronization
import TweetFormat

/// The gaps of one stream as the producer knows them, in `gaps.json` of the stream's folder.
///
/// The ledger in the database has all of them permanently; this has what a repair needs. The journal is the truth of both: a gap
/// is journalled as an event before it counts. Thread-safe; who only looks or changes never waits for a disk, who saves does.
package final class OpenGaps: Sendable {
    private struct Content: Codable {
        var gaps: [StreamGap] = []
        /// Posts that searches have brought, by days since 1970.
        var spent: [String: Int64] = [:]
    }

    private let content: Mutex<Content>
    /// Held while the file is written.
    private let saving = Mutex(())
    private let file: StateFile<Content>
    private let longest: Int
    /// What is counted of them.
    let metrics: GapMetrics

    package static let fileName = "gaps.json"

    /// Goes on from the file; a missing or damaged one is empty.
    ///
    /// - Parameters:
    ///   - folder: the stream's folder.
    ///   - longest: how many gaps are kept; the oldest go first, filled ones before open ones.
    ///   - metrics: what is counted of them.
    package init(folder: String, longest: Int = 2000, metrics: GapMetrics = GapMetrics()) {
        self.longest = longest
        self.metrics = metrics
        file = StateFile(Self.fileName, in: folder)
        content = Mutex(file.value ?? Content())
    }

    /// Every gap, oldest first.
    package var gaps: [StreamGap] { content.withLock { $0.gaps } }

    /// Takes note of a gap, unless the one before it has not ended yet.
    package func open(_ gap: StreamGap) {
        update { content in
            guard content.gaps.last.map({ $0.ended != nil }) ?? true else { return }
            content.gaps.append(gap)
            metrics.began[GapCause(gap.cause)].add()
            guard content.gaps.count > longest else { return }
            let index = content.gaps.firstIndex { $0.status != .open } ?? 0
            content.gaps.remove(at: index)
        }
    }

    /// The stream is connected again. It is not saved.
    func end(at moment: Timestamp) {
        content.withLock { content in
            guard let last = content.gaps.indices.last, content.gaps[last].ended == nil else { return }
            let ended = max(moment.milliseconds, content.gaps[last].started)
            content.gaps[last].ended = ended
            metrics.durations[GapCause(content.gaps[last].cause)].add(ended - content.gaps[last].started)
        }
    }

    /// Another producer has declared the gap that has not ended: it is not filled here.
    func cover(at moment: Timestamp) {
        update { content in
            guard let last = content.gaps.indices.last, content.gaps[last].ended == nil else { return }
            content.gaps[last].ended = max(moment.milliseconds, content.gaps[last].started)
            if content.gaps[last].status == .open { content.gaps[last].status = .covered }
        }
    }

    /// Changes gaps by name.
    func change(_ seqs: [Int64], _ change: (inout StreamGap) -> Void) {
        changeUnsaved(seqs, change)
        save()
    }

    /// The same, and it is not saved.
    func changeUnsaved(_ seqs: [Int64], _ change: (inout StreamGap) -> Void) {
        content.withLock { content in
            for index in content.gaps.indices where seqs.contains(content.gaps[index].seq) {
                change(&content.gaps[index])
            }
        }
    }

    /// Posts that searches have brought on a UTC day.
    func spent(on day: Int64) -> Int64 {
        content.withLock { $0.spent[String(day)] ?? 0 }
    }

    func spend(_ posts: Int64, on day: Int64) {
        update { $0.spent = [String(day): ($0.spent[String(day)] ?? 0) + posts] }
    }

    private func update(_ change: (inout Content) -> Void) {
        content.withLock { change(&$0) }
        save()
    }

    /// Writes the file. Best effort on a disk that refuses: the ledger in the database does not depend on it.
    func save() {
        saving.withLock { _ in try? file.write(content.withLock { $0 }) }
    }
}

extension OpenGaps {
    /// Takes over what events of an operator say about gaps.
    package func apply(_ events: [PipelineEvent]) {
        for event in events where event.type == .gapClosed {
            guard let seq = event.seq else { continue }
            change([seq]) { gap in
                guard gap.status == .open else { return }
                (gap.status, gap.note) = (.accepted, event.detail)
            }
        }
    }
}
