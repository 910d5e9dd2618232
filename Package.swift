// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Every target is built the same way: Swift 6, every warning an error, every unsafe expression marked.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .define("FAIL_POINTS", .when(configuration: .debug)),
]

/// Optimizing the tests themselves would take longer than it saves.
let testing = strict + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

/// The shared modules, for tests, which look into all of them.
let modules: [Target.Dependency] = [
    "Core", "Digests", "HTTP", "TweetFormat", "Journal", "ObjectStore", "XAPI", "KafkaClient", "Postgres",
    "Publishing", "Operations", "LogShipping",
]

extension Target {
    /// A shared module of `Sources/PipelineKit`; it sees only what is named here.
    static func kit(_ name: String, _ dependencies: Dependency...) -> Target {
        .target(name: name, dependencies: dependencies, path: "Sources/PipelineKit/\(name)", swiftSettings: strict)
    }

    /// Tests of one module without a process or a socket.
    static func unit(_ module: String, _ dependencies: [Dependency] = []) -> Target {
        .testTarget(
            name: "\(module)UnitTests", dependencies: [.init(stringLiteral: module), "TestSupport"] + dependencies,
            path: "Tests/Unit/\(module)", swiftSettings: testing)
    }

    /// Tests with servers, brokers, databases and processes.
    static func integration(
        _ name: String, _ folder: String, _ dependencies: [Dependency] = [], exclude: [String] = []
    ) -> Target {
        .testTarget(
            name: name, dependencies: modules + ["Harness", "Sandbox", "TestSupport", logging] + dependencies,
            path: "Tests/Integration/\(folder)", exclude: exclude, swiftSettings: testing)
    }

    /// Tests that break what the programs stand on.
    static func fault(_ subject: String, exclude: [String] = []) -> Target {
        .testTarget(
            name: "\(subject)FaultTests", dependencies: modules + ["Harness", "Sandbox", "TestSupport", logging],
            path: "Tests/Fault/\(subject)", exclude: exclude, swiftSettings: testing)
    }
}

let package = Package(
    name: "tweet-pipeline",
    products: [
        .executable(name: "tweet-producer", targets: ["tweet-producer"]),
        .executable(name: "tweet-loader", targets: ["tweet-loader"]),
        .executable(name: "tweet-timelines", targets: ["tweet-timelines"]),
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
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CRdKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "COpenSSLTLS", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CMalloc"),
        .target(
            name: "CSimdJSON",
            cxxSettings: [.unsafeFlags(["-O3"])],
            linkerSettings: [.linkedLibrary("simdjson")]
        ),
        .target(
            name: "CSQLFiles", path: "sql", exclude: ["schema.sql", "migrations", "indexes-for-analysts.sql"]),
        .target(name: "CConsoleFiles", path: "Sources/ConsoleFiles", exclude: ["console.css", "console.js"]),
        .kit("Core", "CMalloc", argumentParser, logging, "Yams"),
        .kit("Digests", "Core", "COpenSSL", "COpenSSLTLS", "CZlib"),
        .kit("HTTP", "Core", "CCurl"),
        .kit("TweetFormat", "Core", "Digests", "CSimdJSON"),
        .kit("Journal", "Core", "Digests", "TweetFormat", logging),
        .kit("ObjectStore", "Core", "HTTP", "Digests", "CCurl"),
        .kit("XAPI", "Core", "Digests", "HTTP", "TweetFormat", "Yams", logging),
        .kit("KafkaClient", "Core", "CRdKafka", logging),
        .kit("Publishing", "Core", "TweetFormat", "Journal", "KafkaClient", logging),
        .kit("Postgres", "Core", "CPostgres", "CSQLFiles"),
        .kit(
            "Operations", "Core", argumentParser, logging, .product(name: "Hummingbird", package: "hummingbird"),
            .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio")),
        .kit("LogShipping", "Core", "Digests", "HTTP", argumentParser, logging),
        .target(
            name: "TweetProducer",
            dependencies: [
                "Core", "Digests", "HTTP", "TweetFormat", "Journal", "ObjectStore", "XAPI", "KafkaClient",
                "Publishing", "Operations", "LogShipping", argumentParser,
                logging, "Yams",
            ],
            swiftSettings: strict),
        .target(
            name: "TweetLoader",
            dependencies: [
                "Core", "Digests", "TweetFormat", "Journal", "KafkaClient", "Postgres", "Operations", "LogShipping",
                "CConsoleFiles", argumentParser, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "TweetTimelines",
            dependencies: [
                "Core", "Digests", "HTTP", "TweetFormat", "Journal", "XAPI", "KafkaClient", "Postgres", "Publishing",
                "Operations", "LogShipping", argumentParser, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "Sandbox",
            dependencies: [
                "TweetLoader", "Core", "TweetFormat", "Journal", "KafkaClient", "Postgres", "Operations", "COpenSSLTLS",
                "CRdKafka", "CZlib", argumentParser, logging, "Yams",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .executableTarget(name: "tweet-producer", dependencies: ["TweetProducer"], swiftSettings: strict),
        .executableTarget(name: "tweet-loader", dependencies: ["TweetLoader"], swiftSettings: strict),
        .executableTarget(name: "tweet-timelines", dependencies: ["TweetTimelines"], swiftSettings: strict),
        .executableTarget(name: "sandbox", dependencies: ["Sandbox"], swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["Core", "Journal", "TweetFormat", "TweetProducer", logging],
            path: "Tests/Support", swiftSettings: strict),
        .target(
            name: "Harness", dependencies: modules + ["TestSupport", "Sandbox", "COpenSSL", logging],
            path: "Tests/Harness",
            swiftSettings: strict),
        .unit("Core", ["HTTP", "KafkaClient", "ObjectStore", "Postgres"]),
        .unit("Digests"),
        .unit("TweetFormat", ["Core", "Digests"]),
        .unit("Journal", ["Core", "Digests", "TweetFormat", logging]),
        .unit("XAPI", ["Core", "Digests"]),
        .unit("KafkaClient", ["Core"]),
        .unit("Publishing", ["Core", "Journal"]),
        .unit("Operations", ["Core"]),
        .unit("LogShipping", ["Core", "Digests"]),
        .unit("TweetProducer", modules + [logging]),
        .unit("TweetLoader", modules + [logging]),
        .unit("TweetTimelines", modules + [logging]),
        .unit("Sandbox", ["Core", "TweetFormat"]),
        .testTarget(
            name: "ServicesUnitTests",
            dependencies: modules + ["TweetProducer", "TweetLoader", "TweetTimelines", "TestSupport", "Yams"],
            path: "Tests/Unit/Services", swiftSettings: testing),
        .integration("XAPIIntegrationTests", "XAPI"),
        .integration("ProducerIntegrationTests", "Producer", ["TweetProducer"]),
        .integration(
            "LoaderIntegrationTests", "Loader", ["TweetLoader", argumentParser], exclude: ["Fixtures"]),
        .integration(
            "TimelinesIntegrationTests", "Timelines", ["TweetTimelines"], exclude: ["Fixtures"]),
        .integration("LogShippingIntegrationTests", "LogShipping"),
        .integration("SandboxIntegrationTests", "Sandbox"),
        .integration(
            "EndToEndTests", "EndToEnd", ["TweetProducer", "TweetLoader", "TweetTimelines", "Yams"]),
        .fault("Journal", exclude: ["Support/clock.c"]),
        .fault("Loader"),
        .fault("X"),
    ],
    cLanguageStandard: .gnu2x,
    cxxLanguageStandard: .cxx17
)

// Set where only some of the tests run, or none: the others are not built, and without tests neither is what they share.
if let wanted = Context.environment["TEST_TARGETS"]?.split(separator: " ").map(String.init) {
    package.targets.removeAll { $0.type == .test && !wanted.contains($0.name) }
    if wanted.isEmpty { package.targets.removeAll { ["TestSupport", "Harness"].contains($0.name) } }
}

// Set for a short round: of the integration tests only these suites are built, a file each; a target of which
// nothing is left is not declared.
if let suites = Context.environment["TEST_SUITES"]?.split(separator: " ").map({ "\($0).swift" }) {
    for target in package.targets where target.type == .test && target.path?.hasPrefix("Tests/Integration/") == true {
        let files = try FileManager.default.subpathsOfDirectory(
            atPath: "\(Context.packageDirectory)/\(target.path ?? "")"
        ).filter { $0.hasSuffix(".swift") }
        let others = files.filter { $0.hasSuffix("Tests.swift") && !suites.contains($0) }
        target.exclude += others
        if others.count == files.count { package.targets.removeAll { $0 === target } }
    }
}

// Set for `fuzz`, to the archive of libFuzzer's runtime: what is fuzzed is compiled to tell it the paths taken.
if let runtime = Context.environment["FUZZER_RUNTIME"] {
    for target in package.targets
    where target.name == "TweetLoader" || target.path?.hasPrefix("Sources/PipelineKit/") == true {
        target.swiftSettings = strict + [.unsafeFlags(["-sanitize=fuzzer"])]
    }
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "Fuzz/CLibFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: modules + ["TweetLoader", "CLibFuzzer"], path: "Fuzz/Fuzz",
            swiftSettings: strict,
            linkerSettings: [.unsafeFlags([runtime])]),
    ]
}
