import Core
import Glibc

/// A process that was just started, and our end of its output.
struct Spawned: Sendable {
    let processID: pid_t
    let pipe: Int32?
}

/// Starts a command by posix_spawn(3).
func spawn(_ command: ChildCommand) -> Result<Spawned, Failure> {
    do { return .success(try SpawnPlan(command).start()) } catch { return .failure(error) }
}

/// The descriptors that a child gets, closed on our side afterwards.
private struct SpawnPlan {
    private let command: ChildCommand
    private var opened: [Int32] = []
    private var pipe: Int32?
    private var descriptors: [Int32] = []

    init(_ command: ChildCommand) throws(Failure) {
        self.command = command
        let output = try open(command.output, inherited: STDOUT_FILENO)
        descriptors = [output, output]
        if let errors = command.errors { descriptors[1] = try open(errors, inherited: STDERR_FILENO) }
    }

    private mutating func open(_ output: ChildCommand.Output, inherited: Int32) throws(Failure) -> Int32 {
        switch output {
        case .inherit: return inherited
        case .discard: return try openFile("/dev/null", O_WRONLY)
        case .file(let path): return try openFile(path, O_WRONLY | O_APPEND | O_CREAT)
        case .pipe:
            var ends: [Int32] = [0, 0]
            guard unsafe Glibc.pipe(&ends) == 0 else { throw Failure(.unavailable, "\(FileError("pipe", "child"))") }
            // Two steps are safe: every child is started by this thread.
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            pipe = ends[0]
            opened.append(ends[1])
            return ends[1]
        }
    }

    private mutating func openFile(_ path: String, _ flags: Int32) throws(Failure) -> Int32 {
        let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Failure(.disk, "\(FileError("open", path))") }
        opened.append(descriptor)
        return descriptor
    }

    func start() throws(Failure) -> Spawned {
        defer { for descriptor in opened { close(descriptor) } }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, descriptors[0], STDOUT_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, descriptors[1], STDERR_FILENO)
        try unsafe closeTheRest(&actions)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        freshProcess(&attributes)
        let processID = try unsafe start(&actions, &attributes)
        return Spawned(processID: processID, pipe: pipe)
    }

    /// Keeps our descriptors from the child: a connection whose socket it held would outlive our closing it.
    ///
    /// SwiftNIO opens sockets without O_CLOEXEC, and glibc's headers hide this function from Swift.
    private func closeTheRest(_ actions: inout posix_spawn_file_actions_t) throws(Failure) {
        typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
        guard let symbol = unsafe dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else {
            throw Failure(.unavailable, "the sandbox needs glibc 2.34 or newer (Debian 12)")
        }
        let closeFrom = unsafe unsafeBitCast(symbol, to: CloseFrom.self)
        _ = unsafe closeFrom(&actions, STDERR_FILENO + 1)
    }

    /// No signal is blocked or ignored, and the process group is its own.
    private func freshProcess(_ attributes: inout posix_spawnattr_t) {
        var all = sigset_t()
        var none = sigset_t()
        unsafe sigfillset(&all)
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    private func start(
        _ actions: inout posix_spawn_file_actions_t, _ attributes: inout posix_spawnattr_t
    ) throws(Failure) -> pid_t {
        let line = command.commandLine
        var arguments = unsafe line.map { unsafe strdup($0) } + [nil]
        var environment = unsafe command.environmentLines.map { unsafe strdup($0) } + [nil]
        defer {
            for index in unsafe arguments.indices { unsafe free(arguments[index]) }
            for index in unsafe environment.indices { unsafe free(environment[index]) }
        }
        var processID: pid_t = 0
        let code = unsafe posix_spawn(&processID, line[0], &actions, &attributes, &arguments, &environment)
        guard code == 0 else {
            if let pipe { close(pipe) }
            throw Failure(.unavailable, "\(FileError("start", line[0], code: code)) (package util-linux has it)")
        }
        return processID
    }
}
