import ArgumentParser
import Glibc

/// How a command prints its report: the flag of every command that has one.
package struct OutputOptions: ParsableArguments {
    /// Whether the report is for a program.
    @Flag(help: "JSON instead of text.")
    package var json = false

    /// Required by the argument parser.
    public init() {}

    /// Prints a report on standard output: as text that fits the terminal, or with `--json` as one object, which is one line
    /// unless standard output is a terminal.
    ///
    /// - Parameter report: what to print.
    package func show(_ report: some Report) {
        let terminal = Terminal.ofStandardOutput
        print(json ? report.json(isCompact: terminal == nil) : report.text(on: terminal))
        fflush(nil)
    }
}
