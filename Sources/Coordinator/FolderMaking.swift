import Glibc

/// Folders with all that are missing above them.
enum FolderMaking {
    /// mkdir(2) for each part of the path that is missing, mode 0700.
    ///
    /// - Returns: 0, or the errno of the part that could not be made; ENOTDIR when a file stands there.
    static func make(_ path: String) -> Int32 {
        var status = stat()
        if stat(path, &status) == 0 { return status.st_mode & S_IFMT == S_IFDIR ? 0 : ENOTDIR }
        guard errno == ENOENT else { return errno }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            let above = make(String(path[..<slash]))
            if above != 0 { return above }
        }
        return mkdir(path, 0o700) == 0 || errno == EEXIST ? 0 : errno
    }
}
