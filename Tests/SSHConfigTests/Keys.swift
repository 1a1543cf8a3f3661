@testable import SSHConfig

/// Host keys for the tests.
enum Keys {
    static let ecdsa =
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBfLFFUSmEynp6D7RNQHUXNg7XXyBAeFzta3"
        + "pb/qwtHSsosn2lWEL4AahBT6Fw69T+WnzVDcG/9DAYDhEzKDmmk="
    static let rsa =
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCuMYjS54k6xsh+qiu0Rl2mIQOrYrs9NlTQvjb5sBJeNWWZ7yco4Pb590naaRDsnX5QMfTqUps"
        + "DYbaSiop5qqjU9obP2xp6WJZWvznhnrPX/ttrJTOAz1hFKF1mhCN9bBYVBO2doEfM/3pXr6p+1d2HS9L/OsGFSNxcuzWcElzb2JHNeeZER4A74"
        + "dGYMfw953LBJGsmdP4K8deAlQdSoIfykvqgpVsJWrCRTs/FIU9TMrMhSrtsdMunJYfkZH42MCg2dJgmdtjojQq3Es4hC2z5GeNjOrLV+xoVv6"
        + "+a6/wEy+YBs1RsOHFzb2jrxdqdPqvv3E4zTzEw2RUda4rokoEp"

    /// A well-formed ed25519 key; the number is in its bytes.
    static func key(_ number: Int) -> KnownHostKey {
        var blob: [UInt8] = [0, 0, 0, 11]
        blob.append(contentsOf: "ssh-ed25519".utf8)
        blob.append(contentsOf: [0, 0, 0, 32])
        blob.append(contentsOf: (0..<32).map { UInt8(truncatingIfNeeded: number >> (($0 % 4) * 8)) })
        return KnownHostKey(type: "ssh-ed25519", blob: blob, file: "", line: 0)
    }

    /// The key as it stands in a file: type and base64.
    static func text(_ number: Int) -> String {
        "ssh-ed25519 \(Base64.encode(key(number).blob))"
    }
}
