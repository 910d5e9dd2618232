import ArgumentParser
import Core

/// `sandbox postgres`: a cluster in the foreground.
struct PostgresCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postgres",
        abstract: "A throw-away PostgreSQL cluster in the foreground.",
        discussion: """
            Makes a cluster from the installed server programs (Debian: apt-get install postgresql) in a temporary \
            folder, with a database tweets owned by the role tweets, who is no superuser. Prints what to export, \
            and deletes everything at Ctrl-C or SIGTERM. Works as root too: the server then runs as user postgres.

              sandbox postgres
              export DATABASE_URL=…        (the line it prints, in another terminal)
              tweet-loader migrate
            """
    )

    @Flag(help: "Write to disk as a production server does; off is faster.")
    var fsync = false

    func run() throws {
        try runCommand {
            let sandbox = try PostgresSandbox(fsync: fsync)
            defer { sandbox.destroy() }
            say("export DATABASE_URL='\(sandbox.url())'")
            say("# superuser: psql '\(sandbox.superuserURL())'; log: \(sandbox.path)/server.log; Ctrl-C ends it")
            waitForEnd()
        }
    }
}
