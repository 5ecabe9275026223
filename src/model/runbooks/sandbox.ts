/** Kinds of sandboxes. `process` isolates nothing, and must be chosen explicitly. */
export const sandboxNames = ['bubblewrap', 'docker', 'podman', 'process'] as const
export type SandboxName = (typeof sandboxNames)[number]

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
