/// A bucket and what the names of its objects begin with: `s3://bucket/some/prefix`.
package struct S3Location: Sendable, Equatable, CustomStringConvertible {
    package let bucket: String
    /// Without a slash at either end; empty for the whole bucket.
    package let prefix: String

    /// Reads `s3://BUCKET[/PREFIX]`; nil for anything else, and for a bucket that S3 does not name so.
    package init?(_ text: String) {
        guard text.hasPrefix("s3://") else { return nil }
        let parts = text.dropFirst(5).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let bucket = parts.first, Self.isBucketName(bucket) else { return nil }
        self.bucket = String(bucket)
        prefix = parts.count < 2 ? "" : parts[1].split(separator: "/").joined(separator: "/")
    }

    /// Amazon S3 User Guide, "General purpose bucket naming rules"; upper case and `_` for older buckets and others.
    private static func isBucketName(_ name: Substring) -> Bool {
        (3...255).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || [45, 46, 95].contains(byte)
            }
    }

    /// The key of an object below the prefix.
    package func key(_ name: String) -> String {
        prefix.isEmpty ? name : prefix + "/" + name
    }

    package var description: String {
        "s3://\(bucket)" + (prefix.isEmpty ? "" : "/" + prefix)
    }
}
