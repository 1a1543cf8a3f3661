/// How paths in the task file become absolute: relative ones from the file's folder, `~/` from the home folder.
struct PathRules {
    /// The absolute path of the folder that the task file is in.
    let folder: String

    /// The home folder; nil when nobody knows it.
    let home: String?

    /// The path made absolute, without looking at the file system.
    ///
    /// - Returns: nil for `~/` without a home folder, and for `~name`.
    func absolute(_ path: String) -> String? {
        if path.hasPrefix("/") { return path }
        if path.hasPrefix("~") {
            guard path == "~" || path.hasPrefix("~/"), let home else { return nil }
            return home + path.dropFirst()
        }
        var rest = Substring(path)
        while rest.hasPrefix("./") { rest = rest.dropFirst(2) }
        return (folder == "/" ? "" : folder) + "/" + rest
    }
}
