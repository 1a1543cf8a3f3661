import Glibc
import HostSets

/// A task file that was read and found right: tasks, roles, and how hosts are reached.
public struct Coordfile: Sendable, Equatable {
    /// The largest file that is read, in bytes.
    public static let maximumBytes = 4 << 20

    /// The most hosts in one run, and in one pattern.
    public static let mostHosts = 1_000_000

    /// What a pool size may be in the file: more workers than hosts never run.
    static let poolSizes = 1...mostHosts

    /// The file, as it was named.
    public let path: String

    /// The roles, in the order written; free of circles and undefined names.
    public internal(set) var roles: [RoleDefinition] = []

    /// What holds where nothing else is said.
    public internal(set) var defaults = Defaults()

    /// The entries of `hosts:`, in the order written.
    public internal(set) var hostRules: [HostRule] = []

    /// The tasks, in the order written.
    public internal(set) var tasks: [TaskDefinition] = []

    init(path: String) {
        self.path = path
    }

    /// Reads a task file.
    ///
    /// - Throws: `CoordfileError` when the file cannot be read, and whatever `parse` throws.
    public static func load(path: String) throws(CoordfileError) -> Coordfile {
        let bytes = try TaskFileReader(path: path).read()
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let valid = String(decoding: bytes, as: UTF8.self).prefix { $0 != "\u{FFFD}" }
            let lines = valid.split(omittingEmptySubsequences: false) { $0.isNewline }
            throw CoordfileError(
                code: .notText,
                file: path,
                line: lines.count,
                column: (lines.last?.unicodeScalars.count ?? 0) + 1,
                message: "this is not UTF-8",
                hint: "save the task file as UTF-8"
            )
        }
        return try parse(text, path: path)
    }

    /// Reads the text of a task file; relative paths in it are taken from the folder of `path`.
    ///
    /// - Throws: `CoordfileError` for the first problem in the text, with the `others` that were found.
    public static func parse(_ text: String, path: String) throws(CoordfileError) -> Coordfile {
        let rules = PathRules(folder: absoluteFolder(of: path), home: homeFolder())
        return try parse(text, path: path, paths: rules)
    }

    static func parse(_ text: String, path: String, paths: PathRules) throws(CoordfileError) -> Coordfile {
        let root = try YAMLDocument(text, path: path).root()
        var reader = CoordfileReader(path: path, paths: paths)
        return try reader.read(root)
    }

    /// The task file that is in force in a folder: its own, or that of the nearest folder above.
    ///
    /// - Returns: an absolute path, or nil when there is none up to the root.
    public static func find(named name: String = "Coordfile.yaml", from folder: String) -> String? {
        guard let start = realpath(folder, nil) else { return nil }
        defer { free(start) }
        var folder = Substring(String(cString: start))
        while true {
            let candidate = (folder == "/" ? "" : folder) + "/" + name
            if isFile(String(candidate)) { return String(candidate) }
            guard folder != "/", let slash = folder.lastIndex(of: "/") else { return nil }
            folder = slash == folder.startIndex ? "/" : folder[..<slash]
        }
    }

    /// The task of that name.
    ///
    /// - Throws: `CoordfileError` with `.unknownTask`, the nearest name, and how to list all.
    public func task(named name: String) throws(CoordfileError) -> TaskDefinition {
        if let task = tasks.first(where: { $0.name == name }) { return task }
        let near = nearest(name, among: tasks.map(\.name))
        let hint = (near.map { "did you mean '\($0)'? " } ?? "") + "'coord list' shows all tasks"
        throw CoordfileError(code: .unknownTask, file: path, message: "there is no task \(quoted(name))", hint: hint)
    }

    /// How a host is reached: of each setting the first entry of `hosts:` that matches and has it, as in ssh_config,
    /// else the defaults.
    ///
    /// The host may be written with user and port; they play no part in the match, and are for the caller to put first.
    public func settings(forHost host: String) -> HostSettings {
        var settings = HostSettings()
        guard !hostRules.isEmpty else { return defaults.host }
        let name = Self.name(of: host)
        for rule in hostRules where rule.matches(name) {
            settings = settings.filled(from: rule.settings)
        }
        return settings.filled(from: defaults.host)
    }

    private static func name(of host: String) -> String {
        do {
            return try HostAddress(parsing: host).name
        } catch {
            return host  // no host that could be connected to; only a glob can match it
        }
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR
    }

    private static func absoluteFolder(of path: String) -> String {
        let folder = path.lastIndex(of: "/").map { path[..<$0] }
        if path.hasPrefix("/") { return folder.map { $0.isEmpty ? "/" : String($0) } ?? "/" }
        guard let current = getcwd(nil, 0) else { return String(folder ?? ".") }
        defer { free(current) }
        let base = String(cString: current)
        return folder.map { "\(base)/\($0)" } ?? base
    }

    private static func homeFolder() -> String? {
        guard let home = getenv("HOME") else { return nil }
        let path = String(cString: home)
        return path.hasPrefix("/") ? path : nil
    }
}
