// swift-tools-version: 6.2

import PackageDescription

// Every room is a target; the arrows between them are the table in docs/ARCHITECTURE.md, and `make check`
// refuses an import that is not declared here (--explicit-target-dependency-import-check error).

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "coord",
    products: [
        .executable(name: "coord", targets: ["CoordCommand"]),
        .executable(name: "coord-agent", targets: ["Agent"]),
        .library(name: "Coordinator", targets: ["Coordinator"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // MARK: The bytes and the decisions: no IO.
        .target(
            name: "WireProtocol",
            dependencies: [
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            path: "Sources/Protocol",
            exclude: ["coord.proto"],
            swiftSettings: strict
        ),
        .target(name: "HostSets", swiftSettings: strict),
        .target(name: "SSHConfig", swiftSettings: strict),
        .target(
            name: "Coordfile",
            dependencies: ["HostSets", .product(name: "Yams", package: "Yams")],
            swiftSettings: strict
        ),
        .target(name: "Scheduling", swiftSettings: strict),

        // MARK: The borders to C.
        .target(name: "CForkPool"),
        .target(name: "ForkPool", dependencies: ["CForkPool"], swiftSettings: strict),
        .systemLibrary(name: "CLibSSH2System", pkgConfig: "libssh2", providers: [.apt(["libssh2-1-dev"])]),
        .target(
            name: "CLibSSH2",
            dependencies: ["CLibSSH2System"],
            linkerSettings: [.linkedLibrary("crypto")]
        ),
        .target(name: "SSH", dependencies: ["CLibSSH2"], swiftSettings: strict),
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        .target(name: "ZeroMQ", dependencies: ["CZeroMQ"], swiftSettings: strict),

        // MARK: The two programs.
        .executableTarget(
            name: "Agent",
            dependencies: [
                "WireProtocol", "ZeroMQ", "ForkPool", "SSH",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Coordinator",
            dependencies: [
                "WireProtocol", "HostSets", "SSHConfig", "Coordfile", "Scheduling", "ZeroMQ",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "CoordCommand",
            dependencies: [
                "Coordinator", "Coordfile", "HostSets", "Scheduling",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),

        // MARK: Tests mirror the rooms.
        .testTarget(name: "WireProtocolTests", dependencies: ["WireProtocol"], swiftSettings: strict),
        .testTarget(name: "HostSetsTests", dependencies: ["HostSets"], swiftSettings: strict),
        .testTarget(name: "SSHConfigTests", dependencies: ["SSHConfig"], swiftSettings: strict),
        .testTarget(name: "CoordfileTests", dependencies: ["Coordfile", "HostSets"], swiftSettings: strict),
        .testTarget(name: "SchedulingTests", dependencies: ["Scheduling"], swiftSettings: strict),
        .testTarget(name: "ForkPoolTests", dependencies: ["ForkPool"], swiftSettings: strict),
        .testTarget(name: "SSHTests", dependencies: ["SSH"], swiftSettings: strict),
        .testTarget(name: "ZeroMQTests", dependencies: ["ZeroMQ"], swiftSettings: strict),
        .testTarget(name: "AgentTests", dependencies: ["Agent", "WireProtocol"], swiftSettings: strict),
        .testTarget(
            name: "CoordCommandTests",
            dependencies: [
                "CoordCommand",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SimulationTests",
            dependencies: ["Scheduling", "Agent", "ForkPool", "WireProtocol"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "CoordinatorTests",
            dependencies: [
                "Coordinator", "Coordfile", "HostSets", "Scheduling", "WireProtocol",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict
        ),
    ]
)
