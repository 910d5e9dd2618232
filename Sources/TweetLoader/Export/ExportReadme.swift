/// `README.txt` of an export: how to read the files without damage, and what to mind.
enum ExportReadme {
    /// - Parameter manifest: of the export.
    /// - Returns: the text.
    static func text(_ manifest: ExportManifest) -> String {
        let name = manifest.files.first?.name ?? "tweets.csv"
        let form =
            switch manifest.arguments.format {
            case .csv: csv(name, manifest.arguments)
            case .jsonl: jsonl(name)
            case .ids:
                "One id of a tweet a line. Look the tweets up at X with GET /2/tweets?ids=..., which X charges for."
            }
        let parts = [
            "Export of \(manifest.tweets) tweets by \(manifest.program), as they were stored at \(manifest.snapshotAt).",
            "MANIFEST.json has the conditions, the number of tweets and the SHA-256 of each file, the texts of the rules, and "
                + "each gap of the collection that overlaps the window: \(manifest.facts.gaps.count) gaps, "
                + "\(manifest.facts.incompleteGaps) not filled exactly.",
            form, manifest.arguments.format == .ids ? nil : sharing, redaction(manifest.arguments.redaction),
        ]
        return parts.compactMap(\.self).joined(separator: "\n\n") + "\n"
    }

    private static func csv(_ name: String, _ arguments: ExportManifest.Arguments) -> String {
        let spreadsheet =
            arguments.isForSpreadsheets
            ? "This file is for spreadsheets alone: ids are formulas, and texts that would be formulas begin with '."
            : "Spreadsheets round ids of 19 digits: open the file with Data > From Text/CSV and the type Text for all columns, or "
                + "export it again with --excel."
        return """
            UTF-8, one header line, each field in quotation marks, an empty field without them for what is unknown. Ids have up \
            to 19 digits; programs that read them as numbers change them. Read all columns as text:

              pandas   pd.read_csv("\(name)", dtype=str, keep_default_na=False)
              R        readr::read_csv("\(name)", col_types = readr::cols(.default = "c"))
              DuckDB   SELECT * FROM read_csv('\(name)', all_varchar = true)

            \(spreadsheet)
            """
    }

    private static func jsonl(_ name: String) -> String {
        """
        One line of X for each tweet, in UTF-8: {"data": ..., "includes": ..., "matching_rules": ...}. Ids are JSON strings; \
        keep them as text:

          pandas   pd.DataFrame(json.loads(line)["data"] for line in open("\(name)", encoding="utf-8"))
          R        jsonlite::stream_in(file("\(name)"))
          DuckDB   SELECT data ->> 'id' FROM read_json('\(name)', columns = {data: 'JSON', includes: 'JSON'})
        """
    }

    private static let sharing =
        "X's developer policy allows others to be given ids, and only few whole posts: share an export of --format ids."

    private static func redaction(_ redaction: Redaction?) -> String? {
        let rest =
            "Ids of tweets are kept and lead to the tweets, and texts may name people in other ways."
        return switch redaction {
        case .pseudonyms: "Ids and handles of users are pseudonyms, whose key was not kept. \(rest)"
        case .remove: "Ids and handles of users are removed. \(rest)"
        case nil: nil
        }
    }
}
