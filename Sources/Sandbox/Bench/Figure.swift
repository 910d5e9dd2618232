import Core
import Glibc

/// One measured number, and what it must be.
struct Figure: Encodable, Sendable {
    /// A stable name for programs.
    let name: String
    /// Nil when it could not be measured; `about` says why.
    let value: Double?
    let unit: String
    /// What it means, for people.
    let about: String
    /// The least and the most that the value may be.
    let atLeast: Double?
    let atMost: Double?
    /// Whether the value is within its bar; nil without a bar or a value.
    let isMet: Bool?

    /// A value that is no number counts as not measured, as what was divided by a time too short to be seen.
    init(
        _ name: String, _ value: Double, _ unit: String, _ about: String, atLeast: Double? = nil, atMost: Double? = nil
    ) {
        let hasBar = atLeast != nil || atMost != nil
        self.name = name
        self.value = value.isFinite ? value : nil
        self.unit = unit
        self.about = about
        self.atLeast = atLeast
        self.atMost = atMost
        isMet = hasBar && value.isFinite ? value >= atLeast ?? -.infinity && value <= atMost ?? .infinity : nil
    }

    /// Something that was to be measured and was not; `about` says why.
    init(absent name: String, _ about: String) {
        self.name = name
        (value, unit) = (nil, "")
        self.about = about
        (atLeast, atMost, isMet) = (nil, nil, nil)
    }

    /// The bar and whether it is met, for people.
    var bar: String {
        guard let isMet else { return "" }
        let bars = [atLeast.map { "≥ \(Self.text($0))" }, atMost.map { "≤ \(Self.text($0))" }].compactMap { $0 }
        return "\(bars.joined(separator: ", ")) \(isMet ? "ok" : atLeast == nil ? "above" : "below")"
    }

    /// The value for people.
    var text: String { value.map(Self.text) ?? "not measured" }

    /// With as many digits as the number is worth.
    private static func text(_ value: Double) -> String {
        switch abs(value) {
        case 1000...: String(Int64(value.rounded()))
        case 100...: decimals(value, 0)
        case 10...: decimals(value, 1)
        default: decimals(value, 2)
        }
    }

    private static func decimals(_ value: Double, _ count: Int) -> String {
        var scale = 1.0
        for _ in 0..<count { scale *= 10 }
        let scaled = Int64((value * scale).rounded())
        let digits = String(abs(scaled))
        let padded = String(repeating: "0", count: max(0, count + 1 - digits.count)) + digits
        let sign = scaled < 0 ? "-" : ""
        return count == 0 ? sign + padded : "\(sign)\(padded.dropLast(count)).\(padded.suffix(count))"
    }
}

/// All that a run has measured, and on what.
struct BenchReport: Report {
    struct Machine: Encodable {
        let processor: String
        let cores: Int
        let memoryGib: Int
        let kernel: String
    }

    let machine: Machine
    let command: String
    let finishedAt: String
    let figures: [Figure]

    init(command: String, figures: [Figure]) {
        machine = .this
        self.command = command
        finishedAt = Timestamp.now().description
        self.figures = figures
    }

    func text(on terminal: Terminal?) -> String {
        let head = "\(machine.processor), \(machine.cores) cores, \(machine.memoryGib) GiB, Linux \(machine.kernel)"
        let rows = figures.map { [$0.about, $0.text, $0.unit, $0.bar] }
        let table = FittingTable(header: ["measured", "value", "unit", "bar"], rows: rows)
        return head + "\n\n" + table.text(on: terminal)
    }
}

extension BenchReport.Machine {
    /// The machine that this runs on.
    fileprivate static var this: Self {
        let model = (try? readTextFile("/proc/cpuinfo"))?.split(separator: "\n").first { $0.hasPrefix("model name") }
        let memory = (try? readTextFile("/proc/meminfo"))?.split(separator: "\n").first?.split(separator: " ")
        let kernel = (try? readTextFile("/proc/sys/kernel/osrelease")) ?? ""
        return Self(
            processor: model?.split(separator: ":").last.map { String($0.drop { $0 == " " }) } ?? "unknown processor",
            cores: sysconf(Int32(_SC_NPROCESSORS_ONLN)),
            memoryGib: (memory.flatMap { $0.count > 1 ? Int($0[1]) : nil } ?? 0) / 1_048_576,
            kernel: kernel.filter { $0 != "\n" })
    }
}

/// What a running process has used so far (proc(5)).
struct ProcessUsage {
    /// Seconds of processor time, in user and kernel mode.
    let cpuSeconds: Double
    /// The most memory that was resident at once, in MiB (VmHWM).
    let peakMiB: Double

    /// - Throws: `Failure` (unavailable) when there is no such process.
    init(of process: pid_t) throws(Failure) {
        guard let status = try? readTextFile("/proc/\(process)/status"),
            let stat = try? readTextFile("/proc/\(process)/stat"),
            let peak = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kibibytes = peak.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({
                Double($0)
            })
        else { throw Failure(.unavailable, "a measured process has ended: see its log") }
        // The name in parentheses may hold blanks; after it, the 12th and 13th fields are the times.
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = fields.count > 12 ? (Double(fields[11]) ?? 0) + (Double(fields[12]) ?? 0) : 0
        cpuSeconds = ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        peakMiB = kibibytes / 1024
    }
}

extension Array<Double> {
    /// The middle value; of an even number the lower one; 0 of none.
    var median: Double { percentile(0.5) }

    /// The smallest value that this share of all does not exceed; 0 of none.
    func percentile(_ share: Double) -> Double {
        guard !isEmpty else { return 0 }
        let position = Int((Double(count) * share).rounded(.up)) - 1
        return sorted()[Swift.min(count - 1, Swift.max(0, position))]
    }
}

/// Reports on standard error what is being measured.
func tellProgress(_ text: String) {
    let bytes = Array("bench: \(text)\n".utf8)
    unsafe bytes.withUnsafeBytes { _ = unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
