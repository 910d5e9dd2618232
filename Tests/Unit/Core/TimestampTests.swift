import Core
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct TimestampTests {
    @Test(arguments: [
        ("2024-11-22T10:00:00Z", "2024-11-22T10:00:00.000Z"), ("2024-11-22t10:00:00z", "2024-11-22T10:00:00.000Z"),
        ("2024-11-22T10:00:00+00:00", "2024-11-22T10:00:00.000Z"),
        ("2024-11-22T10:00:00-00:00", "2024-11-22T10:00:00.000Z"),
        ("2024-11-22T15:30:00+05:30", "2024-11-22T10:00:00.000Z"),
        ("2024-11-22T02:00:00.5-08:00", "2024-11-22T10:00:00.500Z"),
        ("2024-11-22T10:00:00.123456Z", "2024-11-22T10:00:00.123Z"),
        ("2024-01-01T00:15:00+01:00", "2023-12-31T23:15:00.000Z"),
        ("2024-03-31T02:30:00.000+01:00", "2024-03-31T01:30:00.000Z"),
        ("2016-12-31T23:59:60.000Z", "2017-01-01T00:00:00.000Z"),
        ("2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00.000Z"), ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
        ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"), ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ])
    func readsRFC3339(_ text: String, _ moment: String) {
        #expect(Timestamp(text)?.description == moment)
    }

    @Test(arguments: [
        "", "2024-02-30T00:00:00.000Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-04-31T00:00:00Z",
        "2024-00-10T00:00:00Z", "2024-13-10T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-32T00:00:00Z",
        "2024-11-22T24:00:00.000Z", "2024-11-22T25:00:00Z", "2024-11-22T10:60:00Z", "2024-11-22T10:00:61Z",
        "2024-11-22T10:00:60Z", "2024-11-22 10:00:00", "2024-11-22 10:00:00Z", "2024-11-22T10:00:00",
        "2024-11-22T10:00Z",
        "2024-11-22T10:00:00.Z", "2024-11-22T10:00:00+0530", "2024-11-22T10:00:00+24:00", "2024-11-22T10:00:00+05:60",
        "2024-11-22T10:00:00,5Z", "2024-11-22T10:00:00.5x+00:00", "2024-11-22T10:00:00+05:30Z", "2024-11-22",
        "Wed Oct 10 20:19:24 +0000 2018", "1732269600", "20241122T100000Z", "2024-11-22T10:00:00Z ",
        "２０24-11-22T10:00:00Z",
    ])
    func readsNothingElse(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    /// What is written is read, and every offset of the same moment is the same moment.
    @Test func readsWhatItWritesUnderAnyOffset() throws {
        var random = SplitMix64(seed: 9)
        for _ in 0..<5000 {
            let moment = Timestamp(
                milliseconds: Int64.random(in: -60_000_000_000_000...250_000_000_000_000, using: &random))
            #expect(Timestamp(moment.description) == moment)
            let minutes = Int64.random(in: -1439...1439, using: &random)
            let local = Timestamp(milliseconds: moment.milliseconds + minutes * 60_000).description.dropLast()
            let (hour, minute) = (abs(minutes) / 60, abs(minutes) % 60)
            let offset = "\(minutes < 0 ? "-" : "+")\(hour < 10 ? "0" : "")\(hour):\(minute < 10 ? "0" : "")\(minute)"
            #expect(Timestamp(local + offset) == moment, "\(local)\(offset)")
        }
    }
}
