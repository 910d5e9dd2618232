import CConsoleFiles

/// The files of the web console, held in the binary.
enum ConsoleFiles {
    /// The style sheet.
    static var style: String { unsafe String(cString: console_file_style()) }

    /// The script, without which every page works.
    static var script: String { unsafe String(cString: console_file_script()) }
}
