/** What the process of an agent can run in. `process` isolates nothing, and must be asked for. */
export const sandboxNames = ['bubblewrap', 'docker', 'podman', 'process'] as const
export type SandboxName = (typeof sandboxNames)[number]

/** Where things stand inside every sandbox. */
export const inside = {
  app: '/app',
  runbook: '/app/RUNBOOK.md',
  results: '/app/results',
  assets: '/app/assets',
  uploads: '/app/uploads',
  home: '/home/agent',
  /** The programs of the platform, read-only: the bridge to the gateway, the scripted agent, and Node. */
  tools: '/opt/jetty',
  /** The agent, read-only. */
  agent: '/opt/agent',
  /** Has the socket of the gateway, `gateway.sock`. */
  gateway: '/run/jetty',
  /** Where the bridge listens: the one address that leads anywhere. */
  gatewayUrl: 'http://127.0.0.1:3128',
} as const
