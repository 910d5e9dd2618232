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

let package = Package(
    name: "tweet-pipeline",
    products: [
        .executable(name: "tweet-producer", targets: ["TweetProducer"]),
        .executable(name: "tweet-loader", targets: ["TweetLoader"]),
        .executable(name: "sandbox", targets: ["Sandbox"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.0.2", traits: []),
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
        .target(
            name: "PipelineKit",
            dependencies: [
                "CCurl", "CDeflate", "CMalloc", "COpenSSL", "CPostgres", "CRdKafka", "CSimdJSON", "CZlib", "SQLFiles",
                argumentParser, logging, "Yams",
                .product(name: "Configuration", package: "swift-configuration"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(name: "TweetProducer", dependencies: ["PipelineKit", argumentParser], swiftSettings: strict),
        .executableTarget(
            name: "TweetLoader", dependencies: ["PipelineKit", argumentParser, logging], swiftSettings: strict),
        .executableTarget(
            name: "Sandbox",
            dependencies: [
                "PipelineKit", "COpenSSLTLS", "CRdKafka", "CZlib", argumentParser, logging, "Yams",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "TestSupport", dependencies: ["PipelineKit", "COpenSSL", logging], path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(
            name: "PipelineKitTests", dependencies: ["PipelineKit", "Sandbox", "TestSupport", logging],
            swiftSettings: strict),
        .testTarget(
            name: "TweetProducerTests", dependencies: ["TweetProducer", "PipelineKit", "Sandbox", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "TweetLoaderTests", dependencies: ["TweetLoader", "PipelineKit", "Sandbox", "TestSupport", logging],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "LoaderFaultTests", dependencies: ["PipelineKit", "Sandbox", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "JournalFaultTests", dependencies: ["PipelineKit", "Sandbox", "TestSupport"],
            exclude: ["Support/clock.c"], swiftSettings: strict),
        .testTarget(name: "SandboxTests", dependencies: ["Sandbox"], swiftSettings: strict),
        .testTarget(
            name: "XFaultTests", dependencies: ["Sandbox", "PipelineKit", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests", dependencies: ["Sandbox", "PipelineKit", "TestSupport", logging],
            swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx17
)

// Set by `make fuzz` alone, to the archive of libFuzzer's runtime: what is fuzzed is compiled to tell it the paths taken.
if let runtime = Context.environment["FUZZER_RUNTIME"] {
    package.targets.first { $0.name == "PipelineKit" }?.swiftSettings = strict + [.unsafeFlags(["-sanitize=fuzzer"])]
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "Fuzz/CLibFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: ["PipelineKit", "CLibFuzzer"], path: "Fuzz/Fuzz", swiftSettings: strict,
            linkerSettings: [.unsafeFlags([runtime])]),
    ]
}
