import Sandbox

SandboxCommand.main()
