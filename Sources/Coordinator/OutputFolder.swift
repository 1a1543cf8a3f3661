import SystemPackage

/// `--outdir`: each host's two streams in files of their own, whole and byte for byte.
///
/// `DIR/HOST/stdout` and `DIR/HOST/stderr`; with several tasks `DIR/TASK/HOST/…`; a host that is listed more than once
/// gets `HOST.2`, `HOST.3`. Host names are checked before a run, so they hold no slash; one that begins with a dot gets
/// an underscore in front. Files of an earlier run are replaced.
struct OutputFolder: Sendable {
    /// For each entry the folder of its files.
    private let folders: [String]

    /// Makes a folder for each entry, with two empty files.
    ///
    /// - Throws: ``CoordinatorError`` (`usage`) that names the path.
    init(path: String, plan: RunPlan) throws(CoordinatorError) {
        var folders: [String] = []
        var seen: [String: Int] = [:]
        for entry in plan.entries {
            let host = entry.host.text.hasPrefix(".") ? "_" + entry.host.text : entry.host.text
            let base = plan.tasks.count > 1 ? "\(path)/\(plan.tasks[entry.task].name)/\(host)" : "\(path)/\(host)"
            seen[base, default: 0] += 1
            let count = seen[base] ?? 1
            folders.append(count == 1 ? base : "\(base).\(count)")
        }
        self.folders = folders
        for folder in folders {
            let failure = FolderMaking.make(folder)
            guard failure == 0 else { throw CoordinatorError(.usage, "--outdir: make \(folder)", errno: failure) }
            do {
                for stream in HostStream.allCases { try append([], to: folder, stream, truncates: true) }
            } catch {
                throw CoordinatorError(.usage, "--outdir: \(error.message)")
            }
        }
    }

    /// Appends the output among `jobs` to its files.
    ///
    /// - Throws: ``CoordinatorError`` (`journal`), for example when the disk is full.
    func write(_ jobs: [RecorderJob]) throws(CoordinatorError) {
        for job in jobs {
            if case .output(let entry, _, let stream, let bytes, _) = job {
                try append(bytes, to: folders[entry], stream, truncates: false)
            }
        }
    }

    private func append(
        _ bytes: [UInt8],
        to folder: String,
        _ stream: HostStream,
        truncates: Bool
    ) throws(CoordinatorError) {
        let path = FilePath(folder).appending(stream == .stdout ? "stdout" : "stderr")
        var options: FileDescriptor.OpenOptions = [.create, .append, .closeOnExec, .noFollow]
        if truncates { options.insert(.truncate) }
        do {
            let file = try FileDescriptor.open(path, .writeOnly, options: options, permissions: .ownerReadWrite)
            try file.closeAfter { _ = try file.writeAll(bytes) }
        } catch {
            throw CoordinatorError(.journal, "write \(path): \(error)")
        }
    }
}
