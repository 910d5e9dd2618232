/// The files of the web console, held in the binary so that it needs no file at run time.
package enum ConsoleFiles {
    /// The style sheet.
    package static var style: String { String(decoding: PackageResources.console_css, as: UTF8.self) }

    /// The script, without which every page works.
    package static var script: String { String(decoding: PackageResources.console_js, as: UTF8.self) }
}
