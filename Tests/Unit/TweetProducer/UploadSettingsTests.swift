import Foundation
import Testing

@testable import Core
@testable import TweetProducer

/// What the settings of uploads come to, and what is told of mistakes.
@Suite(.timeLimit(.minutes(5))) struct UploadSettingsTests {
    private func read(_ settings: [String: String]) throws -> UploadSettings? {
        let keys = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"]
        var reader = try SettingsReader(
            flags: [:], configFile: nil, known: UploadSettings.settings,
            environment: keys.merging(settings) { $1 })
        let result = UploadSettings.read(&reader)
        try reader.finish()
        return result
    }

    @Test func withoutAnAddressNothingIsUploaded() throws {
        #expect(try read([:]) == nil)
        #expect(try read(["S3_STORAGE_CLASS": "not read then"]) == nil)
    }

    @Test func theDefaultsAreAmazons() throws {
        let settings = try #require(try read(["ARCHIVE_S3_URL": "s3://bucket/some/prefix/"]))
        #expect(settings.options.location.bucket == "bucket")
        #expect(settings.options.location.key("x") == "some/prefix/x")
        #expect(settings.s3.endpoint == "https://s3.us-east-1.amazonaws.com")
        #expect(settings.s3.style == .virtualHost)
        #expect(settings.options.partBytes == 16 << 20)
        #expect(settings.options.storageClass == nil && settings.options.encryption == nil)
    }

    @Test func everySettingIsTaken() throws {
        let settings = try #require(
            try read([
                "ARCHIVE_S3_URL": "s3://bucket", "AWS_ENDPOINT_URL_S3": "https://minio.example:9000/",
                "AWS_REGION": "eu-central-1", "S3_STORAGE_CLASS": "STANDARD_IA", "S3_ENCRYPTION": "aws:kms",
                "S3_PART_BYTES": "5MiB", "S3_TIMEOUT": "5s",
            ]))
        #expect(settings.s3.endpoint == "https://minio.example:9000")
        #expect(settings.s3.style == .path, "an endpoint of one's own has rarely names for its buckets")
        #expect(settings.s3.region == "eu-central-1")
        #expect(settings.s3.timeout == .seconds(5))
        #expect(settings.options.storageClass == "STANDARD_IA")
        #expect(settings.options.encryption == "aws:kms")
        #expect(settings.options.partBytes == 5 << 20)
    }

    @Test(arguments: [
        (["ARCHIVE_S3_URL": "https://bucket"], "must be s3://BUCKET or s3://BUCKET/PREFIX"),
        (["ARCHIVE_S3_URL": "s3://"], "must be s3://BUCKET or s3://BUCKET/PREFIX"),
        (["S3_STORAGE_CLASS": "standard ia\r\nx-evil: 1"], "must be a class such as STANDARD_IA"),
        (["S3_ENCRYPTION": "rot13"], "S3_ENCRYPTION"),
        (["S3_KMS_KEY": "abc"], "only with S3_ENCRYPTION=aws:kms"),
        (["S3_ENCRYPTION": "aws:kms", "S3_KMS_KEY": "a b"], "must be the id or the ARN of a key"),
        (["S3_PART_BYTES": "1MiB"], "parts must have from 5MiB to 5GiB"),
        (["AWS_REGION": "EU Central"], "must be a region such as eu-central-1"),
        (["AWS_ENDPOINT_URL_S3": "minio:9000"], "must be a URL such as"),
        (["AWS_ENDPOINT_URL_S3": "https://user@minio"], "must be a URL such as"),
        (["S3_TIMEOUT": "0s"], "at least 1s"),
        (["S3_STYLE": "sub-folder"], "S3_STYLE"),
    ])
    func mistakesAreNamed(settings: [String: String], says: String) throws {
        let failure = try #require(throws: SettingsError.self) {
            try read(["ARCHIVE_S3_URL": "s3://bucket"].merging(settings) { $1 })
        }
        #expect(failure.disposition == .operator(.settings))
        #expect(failure.description.contains(says), "\(failure)")
        #expect(!failure.description.contains("AWS_SECRET_ACCESS_KEY"))
    }

    @Test func allMistakesAreToldTogether() throws {
        let failure = try #require(throws: SettingsError.self) {
            try read(["ARCHIVE_S3_URL": "s3://bucket", "S3_PART_BYTES": "1", "S3_TIMEOUT": "0s", "AWS_REGION": "A"])
        }
        for name in ["S3_PART_BYTES", "S3_TIMEOUT", "AWS_REGION"] { #expect(failure.description.contains(name)) }
    }
}
