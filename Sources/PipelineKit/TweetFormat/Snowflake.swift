import Core

/// Tweet ids that carry their time: milliseconds since X's epoch above 22 bits of worker and sequence.
///
/// X hands them out since 2010-11-04; the ids before were counted one by one and say nothing.
package enum Snowflake {
    /// X's epoch, 2010-11-04T01:42:54.657Z, in milliseconds since 1970.
    private static let epoch: Int64 = 1_288_834_974_657

    /// The highest id that is no snowflake.
    package static let lastCountedID: Int64 = 29_700_859_247

    /// When the id was made, to the millisecond; nil for an id older than snowflakes.
    package static func timestamp(of id: Int64) -> Timestamp? {
        id > lastCountedID ? Timestamp(milliseconds: (id >> 22) + epoch) : nil
    }

    /// The lowest id that can be made at that moment or later; nil when no 63-bit id can (after 2080-07-10).
    package static func firstID(at moment: Timestamp) -> Int64? {
        guard moment.milliseconds > epoch + lastCountedID >> 22 else { return lastCountedID + 1 }
        let sinceEpoch = moment.milliseconds - epoch
        return sinceEpoch <= Int64.max >> 22 ? sinceEpoch << 22 : nil
    }
}
