import Core

/// Finds what would keep archives from a bucket.
package struct S3Doctor {
    private let settings: S3Settings
    private let upload: S3Upload

    private static let name = "s3"
    private static let probe = "s3 probe"
    private static let unreachable = "check ARCHIVE_S3_URL, AWS_REGION and the keys"

    /// - Parameters:
    ///   - settings: address and keys.
    ///   - options: what objects are to be like.
    package init(_ settings: S3Settings, _ options: S3UploadOptions) {
        self.settings = settings
        upload = S3Upload(options: options)
    }

    private var location: S3Location { upload.options.location }

    /// Whether the bucket answers (HeadBucket), and for how long its host's certificate is valid. Reads only.
    ///
    /// - Parameter now: the time.
    /// - Returns: what was found.
    package func findings(now: Timestamp) -> [DoctorFinding] {
        do throws(S3Error) {
            var client = try S3Client(settings, bucket: location.bucket, stop: Stop())
            try look(&client)
            let end = client.certificateExpiry.map {
                DoctorFinding.certificate("s3 certificate", of: "the bucket's host", ends: $0, now: now)
            }
            return [.ok(Self.name, "the bucket of \(location) answers")] + [end].compactMap { $0 }
        } catch {
            guard error.status == 403 else {
                return [.fail(Self.name, error.description, remedy: Self.unreachable, .wait)]
            }
            return [
                .warning(
                    Self.name, error.description,
                    remedy: "check the keys; uploads need s3:PutObject, this check s3:ListBucket")
            ]
        }
    }

    /// An answer to HEAD has no body: S3 gives its reason in answer to a listing.
    private func look(_ client: inout S3Client) throws(S3Error) {
        do throws(S3Error) { _ = try client.send("HEAD", nil) } catch {
            guard error.status != nil else { throw error }
            _ = try client.list(prefix: location.key(Self.key))
        }
    }

    private static let key = ".doctor"

    private static let content = Array("tweet-producer doctor\n".utf8)

    /// Uploads an object as archives are, verifies its checksum as archives are verified, and deletes it.
    ///
    /// - Returns: what was found.
    package func probe() -> DoctorFinding {
        let key = location.key("\(Self.key)/\(String(UInt64.random(in: 0 ... .max), radix: 36))")
        var right = "s3:PutObject, and kms:GenerateDataKey and kms:Decrypt on S3_KMS_KEY"
        do {
            var client = try S3Client(settings, bucket: location.bucket, stop: Stop())
            try upload.put(Self.content, key: key, &client)
            right = "s3:GetObject, with which an upload is verified"
            let proof = try verify(key, &client)
            return delete(key, proof, &client)
        } catch {
            let isDenied = (error as? S3Error)?.status == 403
            return .fail(
                Self.probe, "\(error)", remedy: isDenied ? "allow the keys \(right)" : Self.unreachable,
                isDenied ? .operator(.credentials) : .wait)
        }
    }

    private func verify(_ key: String, _ client: inout S3Client) throws -> S3Upload.Proof {
        do { return try upload.verify(Self.content, key: key, &client) } catch {
            _ = try? client.delete(key)
            throw error
        }
    }

    /// Archives are never deleted, so that a service works without this right.
    private func delete(_ key: String, _ proof: S3Upload.Proof, _ client: inout S3Client) -> DoctorFinding {
        do throws(S3Error) { try client.delete(key) } catch {
            return .warning(
                Self.probe, "an object was uploaded and verified, and cannot be deleted: \(error)",
                remedy: "delete s3://\(location.bucket)/\(key) by hand; uploads do not need s3:DeleteObject")
        }
        let how = proof == .checksum ? "S3 reports its SHA-256" : "it was read back, as S3 reports no SHA-256"
        return .ok(Self.probe, "an object was uploaded, verified (\(how)) and deleted")
    }
}
