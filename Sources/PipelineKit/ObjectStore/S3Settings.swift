import CCurl
import Core
import HTTP

/// Where S3, or what speaks it, is, and how to sign in; the names are those of AWS's own tools where they have one.
package struct S3Settings: Sendable {
    /// How a bucket stands in a URL.
    package enum Style: String, CaseIterable, Sendable {
        /// `https://host/bucket/key`
        case path
        /// `https://bucket.host/key`
        case virtualHost = "virtual-host"
    }

    /// Without a slash at its end.
    package var endpoint: String
    package var region: String
    package var style: Style
    package var credentials: S3CredentialSource
    /// A file of certificates to trust instead of the system's.
    package var caFile: String?
    /// A request without progress for this duration is aborted; in whole seconds.
    package var timeout: Duration = .seconds(60)

    package static let endpointSetting = Setting(
        "AWS_ENDPOINT_URL_S3", .url, unset: "Amazon's", "URL of a server that speaks S3, such as MinIO or Ceph")
    package static let regionSetting = Setting("AWS_REGION", .text, default: "us-east-1", "Region of the bucket")
    package static let styleSetting = Setting(
        "S3_STYLE", .one(of: Style.self), unset: "virtual-host, with AWS_ENDPOINT_URL_S3 path",
        "Place of the bucket in a URL")
    package static let caFileSetting = Setting(
        "AWS_CA_BUNDLE", .file, unset: "the system's", "Certificates (PEM) to trust for S3")
    package static let timeoutSetting = Setting(
        "S3_TIMEOUT", .duration, default: "60s", "A request on which no byte moves for this long is ended")
    package static let settings =
        [endpointSetting, regionSetting, styleSetting, caFileSetting, timeoutSetting] + S3CredentialSource.settings

    package init(endpoint: String, region: String, style: Style, credentials: S3CredentialSource) {
        (self.endpoint, self.region, self.style, self.credentials) = (endpoint, region, style, credentials)
    }

    /// Reads the settings; mistakes are added to the reader's.
    package init(_ reader: inout SettingsReader) {
        region = reader.text(Self.regionSetting)
        if !region.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 45 }) {
            reader.addMistake("\(reader.origin(Self.regionSetting)): '\(region)' must be a region such as eu-central-1")
        }
        let given = reader.string(Self.endpointSetting)
        var endpoint = given ?? "https://s3.\(region).amazonaws.com"
        while endpoint.hasSuffix("/") { endpoint.removeLast() }
        self.endpoint = endpoint
        if !Self.isEndpoint(endpoint) {
            reader.addMistake(
                "\(reader.origin(Self.endpointSetting)): '\(endpoint)' must be a URL such as https://minio.example:9000"
            )
        }
        // Names of buckets are looked up in DNS only where that was set up, as Amazon has.
        style = reader.choice(Self.styleSetting, Style.self) ?? (given == nil ? .virtualHost : .path)
        credentials = S3CredentialSource(&reader)
        caFile = reader.string(Self.caFileSetting)
        timeout = reader.duration(Self.timeoutSetting)
        if timeout < .seconds(1) { reader.addMistake("\(reader.origin(Self.timeoutSetting)): must be at least 1s") }
        if case .instance(let url) = credentials, !Self.isEndpoint(url) {
            let origin = reader.origin(S3CredentialSource.instanceSetting)
            reader.addMistake("\(origin): '\(url)' must be a URL such as http://169.254.169.254")
        }
        for mistake in Proxies.mistakes(reader.environment) { reader.addMistake(mistake) }
    }

    private static func isEndpoint(_ url: String) -> Bool {
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else { return false }
        let host = url.drop { $0 != ":" }.dropFirst(3)
        return !host.isEmpty && !host.contains { "/?#@ ".contains($0) }
    }

    /// Whether this libcurl sorts `x-amz-server-side-encryption` and `x-amz-server-side-encryption-aws-kms-key-id` as
    /// the signature asks for; older ones compare the lines and not the names.
    package static var signsKMSKeys: Bool {
        guard let info = unsafe curl_version_info(CURLVERSION_FIRST) else { return false }
        return unsafe info.pointee.version_num >= 0x080a00
    }

    /// The URL of a bucket's object, or of the bucket itself, percent-encoded as its signature needs it.
    func url(bucket: String, key: String?) -> String {
        let path = key.map { percentEncoded($0, keeping: UInt8(ascii: "/")) } ?? ""
        // A certificate for *.host does not cover a bucket with dots in its name.
        if style == .path || bucket.contains(".") { return "\(endpoint)/\(bucket)/\(path)" }
        let parts = endpoint.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        return "\(parts[0])//\(bucket).\(parts[2])/\(path)"
    }
}
