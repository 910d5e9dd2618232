import Core
internal import Logging

/// What goes to make room, or because it is not to be kept.
extension Archiver {
    /// Removes archived segments that are not to be kept.
    func removeExpired() throws {
        guard options.keep != .all else { return }
        let expired = try options.keep.expired(ArchivedSegment.list(folder), in: folder, now: .now())
            .filter { options.uploaded?.contains($0.file) ?? true }
        guard !expired.isEmpty else { return }
        try remove(expired) { true }
    }

    /// Removes archived segments one by one while `isNeeded`.
    private func remove(_ segments: [ArchivedSegment], while isNeeded: () -> Bool) throws {
        try openManifest()
        let files = Set(segments.map(\.file))
        var lastSeqs: [String: Int64] = [:]
        try Manifest.read(folder: folder) { _, entry in
            if let entry, entry.event == .archived, let file = entry.file, files.contains(file) {
                lastSeqs[file] = entry.lastSeq
            }
        }
        for segment in segments where isNeeded() {
            try remove(segment, lastSeq: lastSeqs[segment.file] ?? segment.name.firstSeq)
        }
        try shortenManifest()
    }

    private func remove(_ segment: ArchivedSegment, lastSeq: Int64) throws {
        var entry = ManifestEntry(.removed, source: source, seqs: segment.name.firstSeq...lastSeq)
        entry.file = segment.file
        try record(entry)
        try remove(segment)
        logger.info(
            "removed an archived segment",
            metadata: ["file": "\(segment.file)", "lines": .stringConvertible(entry.lines)])
    }

    /// Removes both files of an archived segment; the one with the lines last, because by it the other one is found.
    func remove(_ segment: ArchivedSegment) throws(FileError) {
        let bytes = try segment.bytes(in: folder)
        FailPoint.delete.pass()
        try JournalFolder.remove(folder + "/" + segment.name.receipts)
        FailPoint.delete.pass()
        try JournalFolder.remove(folder + "/" + segment.file)
        try JournalFolder.synchronize(folder)
        FailPoint.delete.pass()
        source.space.add(-bytes)
    }

    // MARK: Making room

    /// Removes files as JOURNAL_FULL=drop-oldest says, in its order, until reading can continue.
    func makeRoom() throws {
        try makeRoomInArchive()
        guard options.whenFull == .dropOldest, !source.space.hasRoom else { return }
        let (open, acknowledged) = (source.tail.end.segment, source.tail.acknowledged)
        let segments = try Segment.list(source.folder).filter { $0.firstSeq <= open }
        for (segment, following) in zip(segments, segments.dropFirst()) where !source.space.hasRoom {
            try openManifest()
            let endSeq = following.firstSeq
            if segment.firstSeq <= acknowledged {
                try record(
                    ManifestEntry(.removed, source: source, seqs: segment.firstSeq...min(acknowledged, endSeq - 1)))
            }
            if endSeq - 1 > acknowledged {
                guard try drop(max(segment.firstSeq, acknowledged + 1)...(endSeq - 1)) else { return }
            }
            try remove(segment)
        }
        // Only the segment that is being written is left: what it holds can go when it is closed.
        if !source.space.hasRoom, source.tail.end.seq > open { source.tail.requestRoll() }
    }

    /// The first part of making room.
    func makeRoomInArchive() throws {
        guard options.whenFull == .dropOldest, !source.space.hasRoom else { return }
        var archived = try ArchivedSegment.list(folder)
        // What is in the bucket goes first; Kafka has the rest as well.
        if let uploaded = options.uploaded {
            archived = archived.filter { uploaded.contains($0.file) } + archived.filter { !uploaded.contains($0.file) }
        }
        if !archived.isEmpty { try remove(archived) { !source.space.hasRoom } }
    }

    /// Declares lines as lost; false when that was not yet journalled and they must stay.
    private func drop(_ seqs: ClosedRange<Int64>) throws -> Bool {
        if source.tail.droppedThrough < seqs.upperBound {
            source.tail.requestDrop(seqs)
            return false
        }
        try record(ManifestEntry(.dropped, source: source, seqs: seqs))
        logger.error(
            "the journal is full; dropped the oldest lines before they were in Kafka (JOURNAL_FULL=drop-oldest)",
            metadata: ["first_seq": .stringConvertible(seqs.lowerBound), "lines": .stringConvertible(seqs.count)])
        return true
    }
}
