// coord-agent. The order matters: the title and the limits first, then the pool process is forked, and only then may
// anything start a thread (ZeroMQ does).

import ForkPool
import Glibc
import SSH
import WireProtocol
import ZeroMQ

ProcessTitle.prepare()

let version = "coord-agent \(ProtocolVersion.software) (protocol \(ProtocolVersion.current))"
switch Result(catching: { () throws(AgentUsageError) in
    try AgentArguments.parse(Array(CommandLine.arguments.dropFirst()), version: version)
}) {
case .success(.print(let text)): print(text)
case .success(.local(let name, let socketPath)): exit(LocalAgent.run(name: name, socketPath: socketPath))
case .failure(let error):
    AgentLog.write("\(error.message); see coord-agent --help")
    exit(2)
}
