import Core
import ObjectStore

/// Where the archive is uploaded, and how.
struct UploadSettings: Sendable, SettingGroup {
    var s3: S3Settings
    var options: S3UploadOptions

    static let title = "Uploads to S3"
    static let urlSetting = Setting(
        "ARCHIVE_S3_URL", .url, unset: "no upload",
        "s3://BUCKET/PREFIX to which archived files are uploaded and verified before they may be removed here")
    static let storageClassSetting = Setting(
        "S3_STORAGE_CLASS", .text, unset: "the bucket's", "Storage class, such as STANDARD_IA")
    static let encryptionSetting = Setting(
        "S3_ENCRYPTION", .one(of: Encryption.self), unset: "the bucket's", "Server-side encryption")
    static let kmsKeySetting = Setting(
        "S3_KMS_KEY", .text, unset: "the bucket's",
        "Id or ARN of the key of `aws:kms`. libcurl before 8.10 signs it wrongly; make it the bucket's default key instead"
    )
    static let partBytesSetting = Setting(
        "S3_PART_BYTES", .bytes, default: "16MiB", "Larger files are uploaded in parts of this size")
    static let settings =
        [urlSetting, storageClassSetting, encryptionSetting, kmsKeySetting, partBytesSetting] + S3Settings.settings

    /// What S3 accepts as server-side encryption.
    enum Encryption: String, CaseIterable {
        case aes256 = "AES256"
        case kms = "aws:kms"
        case kmsDual = "aws:kms:dsse"
    }

    /// Reads the settings; nil when nothing is to be uploaded. Mistakes are added to the reader's.
    static func read(_ reader: inout SettingsReader) -> UploadSettings? {
        guard let url = reader.string(urlSetting) else { return nil }
        guard let location = S3Location(url) else {
            reader.addMistake("\(reader.origin(urlSetting)): '\(url)' must be s3://BUCKET or s3://BUCKET/PREFIX")
            return nil
        }
        var options = S3UploadOptions(location: location)
        options.storageClass = reader.string(storageClassSetting)
        if let name = options.storageClass, !name.utf8.allSatisfy({ (65...90).contains($0) || $0 == 95 }) {
            reader.addMistake("\(reader.origin(storageClassSetting)): '\(name)' must be a class such as STANDARD_IA")
        }
        options.encryption = reader.choice(encryptionSetting, Encryption.self)?.rawValue
        options.kmsKey = reader.string(kmsKeySetting)
        if let key = options.kmsKey { check(key, encryption: options.encryption, &reader) }
        options.partBytes = Int64(reader.bytes(partBytesSetting))
        if !(5 << 20...5 << 30).contains(options.partBytes) {
            reader.addMistake("\(reader.origin(partBytesSetting)): parts must have from 5MiB to 5GiB")
        }
        return UploadSettings(s3: S3Settings(&reader), options: options)
    }

    /// Adds what is wrong about the key of `aws:kms` to the reader's mistakes.
    private static func check(_ key: String, encryption: String?, _ reader: inout SettingsReader) {
        let origin = reader.origin(kmsKeySetting)
        if encryption?.hasPrefix("aws:kms") != true {
            reader.addMistake("\(origin): only with \(encryptionSetting.title)=aws:kms or aws:kms:dsse")
        }
        if !key.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) {
            reader.addMistake("\(origin): must be the id or the ARN of a key")
        }
        if !S3Settings.signsKMSKeys {
            reader.addMistake(
                "\(origin): libcurl before 8.10 signs it wrongly; make it the default key of the bucket instead")
        }
    }
}
