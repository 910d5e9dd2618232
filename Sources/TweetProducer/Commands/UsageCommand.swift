import ArgumentParser
import Core
import Journal
import XAPI

struct UsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage",
        abstract: "Show the posts used in this billing cycle, and their cost.",
        discussion: """
            Reads from X the posts of this billing cycle, of all apps of the project, and estimates from the last seven \
            complete days (UTC) when the cap is reached. The cost is posts times price (X_POST_PRICE).

            "received" is our own count, of all streams below --journal: posts received and, by repairs, searched on this \
            machine. It is lower than X's when other apps of the project read, too; X counts a post once a day.

            Exit status: 0 done, 69 X is unreachable, 75 too many requests, 77 credentials rejected, \
            78 invalid settings.
            """)

    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup(title: "X") var x: SettingFlags<XSettings>

    /// What it accepts beside X's and the common settings.
    enum Flags: SettingGroup {
        static let settings = [PostPrice.setting, JournalSettings.folder]
    }

    @OptionGroup var own: SettingFlags<Flags>

    @OptionGroup var output: OutputOptions

    func run() throws {
        try runCommand {
            var reader = try SettingsReader(
                flags: flags(common.values, x.values, own.values), known: ProducerSettings.known)
            let settings = XSettings(&reader)
            let postPrice = PostPrice.read(&reader)
            let folder = reader.text(JournalSettings.folder)
            let resetDay = reader.int(PostLimits.resetDaySetting)
            CommonSettings.startLogging(&reader)
            try reader.finish()
            let usage = try PostUsage.ask(settings)
            let own = OwnCount(folder: folder, resetDay: usage.resetDay ?? resetDay, now: .now())
            if own == nil, let obstacle = OwnCount.obstacle(in: folder) {
                writeToStandardError("warning: what was received here is unknown: \(obstacle)\n")
            }
            output.show(UsageView(usage: usage, own: own, price: postPrice, now: .now()))
        }
    }
}

/// What the streams of a journal's folder have received, by their own count.
struct OwnCount: Equatable {
    let today: Int64
    let cycle: Int64

    /// Nil when the folder has no journal.
    init?(folder: String, resetDay: Int, now: Timestamp) {
        guard let streams = try? JournalStatus.streams(in: folder), !streams.isEmpty else { return nil }
        let days = streams.flatMap { Array(PostCounter.stored(in: folder + "/" + $0)) }
        let first = PostLimits(resetDay: resetDay).firstDay(at: now)
        today = days.filter { $0.key == now.day }.map(\.value).reduce(0, +)
        cycle = days.filter { $0.key >= first }.map(\.value).reduce(0, +)
    }

    /// Why the streams of a folder cannot be counted; nil when they can, or there is no folder.
    static func obstacle(in folder: String) -> String? {
        do throws(FileError) { if try JournalFolder.size(folder) == nil { return nil } } catch { return "\(error)" }
        do throws(JournalError) {
            _ = try JournalStatus.streams(in: folder)
            return nil
        } catch { return error.description }
    }
}

/// Usage and forecast.
struct UsageView: Report {
    let usage: PostUsage
    /// Nil without a journal.
    let own: OwnCount?
    let price: PostPrice
    let now: Timestamp

    private var forecast: UsageForecast { UsageForecast(usage, now: now) }
    private var today: Int64? { usage.daily[now.milliseconds / 86_400_000] }

    /// One line for each figure; what X does not report is `?`.
    func text(on terminal: Terminal?) -> String {
        let forecast = forecast
        var rows = [
            ("used in this cycle", posts(usage.used.map { Double($0) })), ("cap", count(usage.cap.map { Double($0) })),
            ("left", count(left)), ("today (UTC)", posts(today.map { Double($0) })),
            ("rate a day", posts(forecast.postsPerDay)),
            ("cycle resets on", forecast.reset.map { String($0.description.prefix(10)) } ?? "?"),
            ("forecast at reset", posts(forecast.atReset)),
            ("received today", count(own.map { Double($0.today) })),
            ("received this cycle", count(own.map { Double($0.cycle) })),
        ]
        if forecast.isCapReachedBeforeReset, let days = forecast.daysToCap {
            rows.append(("cap is reached in", "\(Self.days(days)) days, before the reset"))
        } else {
            rows.append(("cap is reached in", forecast.daysToCap.map { "\(Self.days($0)) days" } ?? "?"))
        }
        return rows.map { "\($0.0.padded(20))\($0.1)" }.joined(separator: "\n")
    }

    private var left: Double? {
        usage.cap.flatMap { cap in usage.used.map { Double(max(0, cap - $0)) } }
    }

    private func count(_ number: Double?) -> String {
        whole(number).map { groupedDigits($0) } ?? "?"
    }

    private func posts(_ number: Double?) -> String {
        number.map { "\(count($0)) posts, \(price.text(for: $0))" } ?? "?"
    }

    /// With one decimal.
    private static func days(_ days: Double) -> String {
        "\((days * 10).rounded() / 10)"
    }

    private enum Key: CodingKey {
        case used, cap, left, today, postsPerDay, reset, forecastAtReset, daysToCap, capBeforeReset
        case dollarsUsed, dollarsAtReset, receivedToday, receivedInCycle
    }

    /// All members; null where X reports nothing.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        let forecast = forecast
        try container.encode(usage.used, forKey: .used)
        try container.encode(usage.cap, forKey: .cap)
        try container.encode(whole(left), forKey: .left)
        try container.encode(today, forKey: .today)
        try container.encode(whole(forecast.postsPerDay), forKey: .postsPerDay)
        try container.encode(forecast.reset?.description, forKey: .reset)
        try container.encode(whole(forecast.atReset), forKey: .forecastAtReset)
        try container.encode(forecast.daysToCap.map { ($0 * 10).rounded() / 10 }, forKey: .daysToCap)
        try container.encode(forecast.isCapReachedBeforeReset, forKey: .capBeforeReset)
        try container.encode(usage.used.map { price.dollars(for: Double($0)) }, forKey: .dollarsUsed)
        try container.encode(forecast.atReset.map { price.dollars(for: $0) }, forKey: .dollarsAtReset)
        try container.encode(own?.today, forKey: .receivedToday)
        try container.encode(own?.cycle, forKey: .receivedInCycle)
    }

    private func whole(_ number: Double?) -> Int64? { number.flatMap { Int64(exactly: $0.rounded()) } }
}
