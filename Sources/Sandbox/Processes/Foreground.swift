import Glibc

/// Writes a line to standard output at once, also into a pipe.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    unsafe bytes.withUnsafeBytes { buffer in _ = unsafe write(STDOUT_FILENO, buffer.baseAddress, buffer.count) }
}

/// Waits for SIGTERM, SIGINT or SIGHUP, which `SandboxCommand.main` has blocked.
func waitForEnd() {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    for number in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&signals, number) }
    var number: Int32 = 0
    unsafe sigwait(&signals, &number)
}
