/// When a batch is written: at a number of rows, of bytes or an age, whichever comes first.
struct BatchLimits: Sendable {
    /// Messages in a batch, at most.
    var rows = 5000
    /// Bytes of the messages' values in a batch, at which it is full.
    var bytes = 12 << 20
    /// Messages of which only the offset is left to settle.
    let repeated = 20_000
    /// The age that the user has set; nil: chosen from the duration of the last transaction.
    var fixedAge: Duration?

    private var lastTransaction = Duration.milliseconds(5)

    /// How many messages of a batch one transaction takes; fewer than the batch after PostgreSQL found one too large.
    private(set) var portion = Int.max

    /// How long the first message of a batch waits for others.
    ///
    /// As long as the last transaction: a slow database gets larger batches, a quick one short delays. What comes while a
    /// transaction is written waits for the next one anyway.
    var age: Duration {
        fixedAge ?? min(max(lastTransaction, .milliseconds(10)), .milliseconds(500))
    }

    /// Takes note of how long a transaction took.
    mutating func transactionTook(_ duration: Duration) {
        lastTransaction = duration
        portion = portion < rows ? portion * 2 : .max
    }

    /// Records that a transaction of this number of messages was too large.
    mutating func transactionWasTooLarge(_ messages: Int) {
        portion = max(1, min(portion, messages) / 2)
    }
}
