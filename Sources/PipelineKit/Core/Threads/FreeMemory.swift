import CMalloc

/// Returns freed memory to the system periodically.
///
/// glibc keeps most of the memory of a backlog, so that a process stays at its largest size, and its size says
/// nothing of what it uses. Owned by one thread; what all threads have freed is given back.
package struct FreeMemory {
    private let interval: Duration
    private let messages: Int
    private var taken = 0
    private var next = ContinuousClock.now

    /// Waits for at least `interval` and `messages` between two times: each takes a millisecond or two, and what is given
    /// back must be allocated again.
    package init(every interval: Duration = .seconds(5), messages: Int = 10_000) {
        self.interval = interval
        self.messages = messages
    }

    /// Takes note of a message, which took memory.
    package mutating func took() {
        taken += 1
    }

    /// Gives back what is free, if it is time; to be called when nothing is waiting to be done (malloc_trim(3)).
    package mutating func giveBack() {
        guard taken >= messages, ContinuousClock.now >= next else { return }
        malloc_trim(0)
        taken = 0
        next = .now + interval
    }
}

/// Lets small pieces of memory join their free neighbours at once, for a service that frees what it allocated long before.
///
/// glibc would put them by, and go through all of them whenever a large piece is freed (mallopt(3), M_MXFAST), which took a
/// tenth of the publisher's time with some 10,000 records on their way. To be called before there are threads.
package func joinFreedMemory() {
    mallopt(M_MXFAST, 0)
}
