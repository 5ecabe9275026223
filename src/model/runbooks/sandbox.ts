/** Facts about a kind of sandbox that need no loading of its code. */
interface SandboxKind {
  /** Whether the agent is kept apart from this machine. */
  isolates: boolean
  /** Whether a runbook may name a container image. */
  runsImages: boolean
}

/** Every kind of sandbox. `process` isolates nothing, and must be asked for. */
export const sandboxKinds = {
  bubblewrap: { isolates: true, runsImages: false },
  docker: { isolates: true, runsImages: true },
  podman: { isolates: true, runsImages: true },
  process: { isolates: false, runsImages: false },
} as const satisfies Record<string, SandboxKind>
export type SandboxName = keyof typeof sandboxKinds

export const sandboxNames = Object.keys(sandboxKinds) as [SandboxName, ...SandboxName[]]

/** Whether a run in a sandbox of this name was kept apart. Newer servers may have kinds that are not known here. */
export const wasIsolated = (name: string): boolean =>
  !Object.hasOwn(sandboxKinds, name) || sandboxKinds[name as SandboxName].isolates

/** Paths inside every sandbox. */
export const inside = {
  app: '/app',
  runbook: '/app/RUNBOOK.md',
  results: '/app/results',
  assets: '/app/assets',
  uploads: '/app/uploads',
  home: '/home/agent',
  /** The platform's programs, read-only: the bridge to the gateway, the scripted agent, and Node. */
  tools: '/opt/jetty',
  /** The agent, read-only. */
  agent: '/opt/agent',
  /** Folder of the gateway's socket, `gateway.sock`. */
  gateway: '/run/jetty',
  /** Address of the bridge, the only reachable one. */
  gatewayUrl: 'http://127.0.0.1:3128',
} as const
