import Glibc

/// A moment of the wall clock, in milliseconds since 1970-01-01T00:00:00Z.
package struct Timestamp: Hashable, Comparable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    package static func now() -> Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }

    package func advanced(by duration: Duration) -> Timestamp {
        Timestamp(milliseconds: milliseconds + duration.milliseconds)
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC with milliseconds: `2026-11-20T08:15:30.123Z`.
    package var description: String {
        let days = milliseconds.flooredQuotient(86_400_000)
        let time = milliseconds - days * 86_400_000
        let date = CivilDate(daysSince1970: days)
        return
            "\(date.year.padded(4))-\(Int64(date.month).padded(2))-\(Int64(date.day).padded(2))"
            + "T\((time / 3_600_000).padded(2)):\((time / 60_000 % 60).padded(2)):\((time / 1000 % 60).padded(2))"
            + ".\((time % 1000).padded(3))Z"
    }

    /// Reads RFC 3339 with any offset and any number of fraction digits or none; nil for anything else, and for a day or an
    /// hour that no calendar has.
    package init?(_ text: some StringProtocol) {
        guard let result = unsafe Array(text.utf8).withUnsafeBytes({ unsafe Timestamp(rfc3339: $0) }) else {
            return nil
        }
        self = result
    }

    /// Reads RFC 3339 with any offset and any number of fraction digits or none; nil for anything else, and for a day or an
    /// hour that no calendar has. A leap second counts as the first second of the next minute.
    package init?(rfc3339 text: UnsafeRawBufferPointer) {
        guard text.count >= 20, unsafe text.hasPunctuation,
            let year = unsafe text.decimal(0..<4), let month = unsafe text.decimal(5..<7),
            let day = unsafe text.decimal(8..<10), let hour = unsafe text.decimal(11..<13),
            let minute = unsafe text.decimal(14..<16), let second = unsafe text.decimal(17..<19),
            let zoneStart = unsafe text.zoneStart, let offset = unsafe text.minutesOfZone(from: zoneStart),
            let fraction = unsafe text.millisecondsOfFraction(to: zoneStart),
            (1...12).contains(month), day >= 1, day <= CivilDate.days(of: month, in: year), hour < 24, minute < 60,
            second < 60 || second == 60 && (minute - offset + 1) % 60 == 0
        else { return nil }
        let days = CivilDate(year: year, month: Int(month), day: Int(day)).daysSince1970
        milliseconds = ((days * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000 + fraction
    }
}

/// A day of the proleptic Gregorian calendar.
///
/// Conversions after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
package struct CivilDate: Hashable, Sendable {
    package var year: Int64
    package var month: Int
    package var day: Int

    package init(year: Int64, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    package init(daysSince1970 days: Int64) {
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * marchMonth + 2) / 5 + 1)
        month = Int(marchMonth < 10 ? marchMonth + 3 : marchMonth - 9)
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// How many days a month has.
    fileprivate static func days(of month: Int64, in year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    package var daysSince1970: Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear.flooredQuotient(400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * Int64(month > 2 ? month - 3 : month + 9) + 2) / 5 + Int64(day) - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

extension Int64 {
    /// The quotient rounded towards negative infinity, for a positive divisor.
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        self >= 0 ? self / divisor : (self - divisor + 1) / divisor
    }

    fileprivate func padded(_ width: Int) -> String {
        let text = String(self)
        return String(repeating: "0", count: Swift.max(0, width - text.utf8.count)) + text
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the separators of RFC 3339 stand where they must; for at least 20 bytes.
    fileprivate var hasPunctuation: Bool {
        unsafe self[4] == UInt8(ascii: "-") && self[7] == UInt8(ascii: "-") && self[10] | 0x20 == UInt8(ascii: "t")
            && self[13] == UInt8(ascii: ":") && self[16] == UInt8(ascii: ":")
    }

    /// Where the offset from UTC begins: `Z`, or `+05:30`; nil when there is none.
    fileprivate var zoneStart: Int? {
        if unsafe self[count - 1] | 0x20 == UInt8(ascii: "z") { return count - 1 }
        guard count >= 25 else { return nil }
        return unsafe [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(self[count - 6]) ? count - 6 : nil
    }

    /// The offset from UTC that begins there, in minutes.
    fileprivate func minutesOfZone(from start: Int) -> Int64? {
        if start == count - 1 { return 0 }
        guard unsafe self[count - 3] == UInt8(ascii: ":"), let hours = unsafe decimal(count - 5..<count - 3),
            let minutes = unsafe decimal(count - 2..<count), hours < 24, minutes < 60
        else { return nil }
        return unsafe (hours * 60 + minutes) * (self[start] == UInt8(ascii: "-") ? -1 : 1)
    }

    fileprivate func decimal(_ range: Range<Int>) -> Int64? {
        var value: Int64 = 0
        for index in range {
            guard unsafe (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self[index]) else { return nil }
            value = unsafe value * 10 + Int64(self[index] - UInt8(ascii: "0"))
        }
        return value
    }

    /// What stands between the seconds and the offset: nothing, or a point and digits.
    fileprivate func millisecondsOfFraction(to end: Int) -> Int64? {
        if end == 19 { return 0 }
        guard unsafe end > 20 && self[19] == UInt8(ascii: ".") else { return nil }
        var milliseconds: Int64 = 0
        for index in 20..<end {
            guard let digit = unsafe decimal(index..<index + 1) else { return nil }
            if index < 23 { milliseconds = milliseconds * 10 + digit }
        }
        for _ in end..<Swift.max(23, end) { milliseconds *= 10 }
        return milliseconds
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero.
    package var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// For people: `250ms`, `1.5s`, `2m 5s`, `3h 20m`.
    package var short: String {
        let total = milliseconds
        switch total {
        case ..<1000: return "\(total)ms"
        case ..<60_000: return total % 1000 < 100 ? "\(total / 1000)s" : "\(total / 1000).\(total % 1000 / 100)s"
        case ..<3_600_000: return "\(total / 60_000)m \(total / 1000 % 60)s"
        default: return "\(total / 3_600_000)h \(total / 60_000 % 60)m"
        }
    }
}
