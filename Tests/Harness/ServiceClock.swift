import Core
import Glibc
import Sandbox
import TestSupport

/// Clocks for a service that a test can set (`clock.c`).
package final class ServiceClock {
    private let folder: TemporaryFolder

    /// Compiles the library.
    ///
    /// - Throws: `Failure` (unavailable) when cc(1) is missing or fails.
    package init() throws {
        folder = try TemporaryFolder()
        try set(0)
        try suspend(0)
        let source = repository.path + "/Tests/Fault/Journal/Support/clock.c"
        let (exit, output) = try ChildProcess.run(
            ChildCommand("/usr/bin/env", ["cc", "-O1", "-shared", "-fPIC", "-o", folder.path + "/clock.so", source]))
        guard exit == .status(0) else { throw Failure(.unavailable, "cc: \(output)") }
    }

    /// The environment of the service.
    package var settings: [String: String] {
        [
            "LD_PRELOAD": folder.path + "/clock.so", "CLOCK_FILE": folder.path + "/ahead",
            "SLEEP_FILE": folder.path + "/slept",
        ]
    }

    /// Sets the wall clock so many seconds ahead of the machine's; negative: behind.
    package func set(_ seconds: Int) throws { try write(seconds, to: "ahead") }

    /// Lets time pass as on a machine that was suspended for so many seconds altogether: only CLOCK_BOOTTIME, which is Swift's
    /// `ContinuousClock`, counts them.
    package func suspend(_ seconds: Int) throws { try write(seconds, to: "slept") }

    /// Replaces the file as a whole: it is read all the time.
    private func write(_ seconds: Int, to name: String) throws {
        try folder.write("\(seconds)\n", to: name + ".new")
        guard unsafe rename(folder.path + "/\(name).new", folder.path + "/" + name) == 0 else {
            throw FileError("rename", folder.path + "/" + name)
        }
    }
}
