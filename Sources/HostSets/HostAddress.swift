/// What one entry of a run names: `[user@]name[:port]`, or an IPv6 address as `::1`, `[::1]` or `[::1]:port`.
public struct HostAddress: Hashable, Sendable {
    /// The longest user or host name in bytes (RFC 1035 allows 255 for a domain name).
    public static let maximumNameLength = 255

    /// As it was written; the name that results carry.
    public let text: String
    /// The user in front of `@`, if one is given.
    public let user: String?
    /// The host name or address, without user, brackets and port.
    public let name: String
    /// The port, 1...65535, if one is given.
    public let port: Int?

    /// Reads one host.
    ///
    /// Names and users are ASCII letters, digits, `.`, `_` and `-`; neither begins with `-` (an option to other
    /// programs) and names not with `.` (a path).
    /// - Throws: `HostSetError` for text that is anything else, with the place and the reason.
    public init(parsing text: String) throws(HostSetError) {
        let bytes = Array(text.utf8)
        let layout: AddressLayout
        do {
            layout = try AddressLayout(of: bytes)
        } catch {
            throw HostSetError(code: error.code, text: text, offset: error.offset, message: error.message)
        }
        self.text = text
        user = layout.user.map { String(decoding: bytes[$0], as: UTF8.self) }
        name = String(decoding: bytes[layout.name], as: UTF8.self)
        port = layout.port
    }
}
