import ArgumentParser

/// `coord sandbox up|down|status`.
struct SandboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "A throwaway sshd on loopback that answers as many hosts, for trying things out.",
        discussion: """
            coord sandbox up --hosts 53
            cd sandbox && coord run poke --agents 4 -z 20
            cd .. && coord sandbox down

            It listens on loopback addresses only for who it lets in, with keys of its own, and `down` removes it all.
            """,
        subcommands: [Up.self, Down.self, Status.self]
    )

    /// Where the sandbox is.
    struct Folder: ParsableArguments {
        @Option(help: ArgumentHelp("The sandbox's folder.", valueName: "dir"))
        var dir = Sandbox.defaultFolder
    }

    /// `coord sandbox up`.
    struct Up: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Put the sandbox up.")
        @OptionGroup var folder: Folder
        @Option(help: "How many hosts it answers as.")
        var hosts = Sandbox.defaultHostCount

        func run() throws {
            let sandbox = try Sandbox(folder: folder.dir)
            let description = try sandbox.up(hostCount: hosts)
            print(description.isNew ? "the sandbox is up" : "the sandbox was up already")
            SandboxCommand.describe(description)
            print("try it:  cd \(folder.dir) && coord run poke --agents 4 -z 20")
        }
    }

    /// `coord sandbox down`.
    struct Down: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End the sandbox and remove all of it.")
        @OptionGroup var folder: Folder

        func run() throws {
            let wasThere = try Sandbox(folder: folder.dir).down()
            print(wasThere ? "the sandbox is gone" : "there is no sandbox in \(folder.dir)")
        }
    }

    /// `coord sandbox status`.
    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Tell whether the sandbox is up.")
        @OptionGroup var folder: Folder

        func run() throws {
            switch try Sandbox(folder: folder.dir).status() {
            case .absent: print("there is no sandbox in \(folder.dir)")
            case .stopped(let hosts):
                print("the sandbox in \(folder.dir) (\(hosts) hosts) is down; `coord sandbox up` starts it anew")
            case .running(let description):
                print("the sandbox is up")
                SandboxCommand.describe(description)
            }
        }
    }

    private static func describe(_ description: SandboxDescription) {
        print("  folder  \(description.folder)")
        print("  hosts   \(description.hostCount): \(description.hostPatterns.joined(separator: ","))")
        print("  sshd    port \(description.port), process \(description.processID), user \(description.user)")
    }
}
