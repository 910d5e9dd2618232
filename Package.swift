// swift-tools-version: 6.2
import PackageDescription

/// Every target is built the same way: Swift 6, every warning an error, every unsafe expression marked.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

/// The shared modules, for tests, which look into all of them.
let kit: [Target.Dependency] = [
    "Core", "Digests", "HTTP", "TweetFormat", "Journal", "ObjectStore", "XAPI", "KafkaClient", "Postgres",
]

extension Target {
    /// A shared module of `Sources/PipelineKit`; it sees only what is named here.
    static func kit(_ name: String, _ dependencies: Dependency...) -> Target {
        .target(name: name, dependencies: dependencies, path: "Sources/PipelineKit/\(name)", swiftSettings: strict)
    }
}

let package = Package(
    name: "tweet-pipeline",
    products: [
        .executable(name: "tweet-producer", targets: ["tweet-producer"]),
        .executable(name: "tweet-loader", targets: ["tweet-loader"]),
        .executable(name: "sandbox", targets: ["sandbox"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.20.0", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.90.0"),
    ],
    targets: [
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CRdKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "COpenSSLTLS", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "CSimdJSON",
            cxxSettings: [.unsafeFlags(["-O3"])],
            linkerSettings: [.linkedLibrary("simdjson")]
        ),
        .target(
            name: "SQLFiles",
            path: "sql",
            exclude: ["migrations/README.md"],
            resources: [
                .embedInCode("schema.sql"), .embedInCode("migrations/0002.sql"), .embedInCode("migrations/0003.sql"),
            ],
            swiftSettings: strict
        ),
        .kit("Core", "CMalloc", argumentParser, logging, "Yams"),
        .kit("Digests", "Core", "COpenSSL", "CDeflate", "CZlib"),
        .kit("HTTP", "Core", "CCurl"),
        .kit("TweetFormat", "Core", "Digests", "CSimdJSON"),
        .kit("Journal", "Core", "Digests", "TweetFormat", logging),
        .kit("ObjectStore", "Core", "HTTP", "Digests", "CCurl"),
        .kit("XAPI", "Core", "HTTP", "TweetFormat", "Yams", logging),
        .kit("KafkaClient", "Core", "CRdKafka", logging),
        .kit("Postgres", "Core", "CPostgres", "SQLFiles"),
        .target(
            name: "TweetProducer",
            dependencies: [
                "Core", "Digests", "HTTP", "TweetFormat", "Journal", "ObjectStore", "XAPI", "KafkaClient",
                argumentParser,
                logging,
            ],
            swiftSettings: strict),
        .target(
            name: "TweetLoader",
            dependencies: ["Core", "TweetFormat", "Journal", "KafkaClient", "Postgres", argumentParser, logging],
            swiftSettings: strict),
        .target(
            name: "Sandbox",
            dependencies: [
                "TweetLoader", "Core", "TweetFormat", "Journal", "KafkaClient", "Postgres", "COpenSSLTLS", "CRdKafka",
                "CZlib",
                argumentParser, logging, "Yams",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .executableTarget(name: "tweet-producer", dependencies: ["TweetProducer"], swiftSettings: strict),
        .executableTarget(name: "tweet-loader", dependencies: ["TweetLoader"], swiftSettings: strict),
        .executableTarget(name: "sandbox", dependencies: ["Sandbox"], swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: kit + ["COpenSSL", logging], path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(
            name: "PipelineKitTests",
            dependencies: kit + ["TweetProducer", "TweetLoader", "Sandbox", "TestSupport", logging],
            swiftSettings: strict),
        .testTarget(
            name: "TweetProducerTests", dependencies: kit + ["TweetProducer", "Sandbox", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "TweetLoaderTests", dependencies: kit + ["TweetLoader", "Sandbox", "TestSupport", logging],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "LoaderFaultTests", dependencies: kit + ["Sandbox", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "JournalFaultTests", dependencies: kit + ["Sandbox", "TestSupport"],
            exclude: ["Support/clock.c"], swiftSettings: strict),
        .testTarget(name: "SandboxTests", dependencies: ["Sandbox"], swiftSettings: strict),
        .testTarget(
            name: "XFaultTests", dependencies: kit + ["Sandbox", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests", dependencies: kit + ["Sandbox", "TestSupport", logging],
            swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx17
)

// Set by `make fuzz` alone, to the archive of libFuzzer's runtime: what is fuzzed is compiled to tell it the paths taken.
if let runtime = Context.environment["FUZZER_RUNTIME"] {
    for target in package.targets
    where target.name == "TweetLoader" || target.path?.hasPrefix("Sources/PipelineKit/") == true {
        target.swiftSettings = strict + [.unsafeFlags(["-sanitize=fuzzer"])]
    }
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "Fuzz/CLibFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: kit + ["TweetLoader", "CLibFuzzer"], path: "Fuzz/Fuzz", swiftSettings: strict,
            linkerSettings: [.unsafeFlags([runtime])]),
    ]
}
