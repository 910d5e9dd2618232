import CRdKafka

/// Name and version of librdkafka at run time, for `--version`.
package var kafkaLibrary: (name: String, version: String) {
    ("librdkafka", unsafe String(cString: rd_kafka_version_str()))
}
