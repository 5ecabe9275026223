import type { ModelCaller } from '../../model/gateway/chat.ts'
import type { ModelProvider } from '../../model/runbooks/runbook.ts'
import type { NewAgentEvent, RunbookHost } from '../../model/runbooks/runbook-run.ts'

/** The network of a sandbox. `models`: only its models. `public`: every public address. `hosts`: only these hosts. */
export type SandboxNetwork = { mode: 'models' } | { mode: 'public' } | { mode: 'hosts'; hosts: readonly string[] }

export interface CallBudget {
  calls: number
  tokens: number
  /** Null: no limit. */
  usd: number | null
}

export interface GatewayOptions {
  /** Path of the unix socket to listen on. */
  socket: string
  /** Random. The only key that this gateway accepts, and the only one that the sandbox ever sees. */
  token: string
  /** The agent's own provider. */
  provider: ModelProvider | 'scripted'
  /** Variables that the runbook declares: a provider whose key is among them may be called as well. */
  declared: readonly string[]
  caller: Omit<ModelCaller, 'signal'>
  network: SandboxNetwork
  budget: CallBudget
  paid: RunbookHost['paid']
  tell(event: NewAgentEvent): void
  /** Aborts everything at once. */
  signal: AbortSignal
}

/** The usage of a gateway so far. */
export interface GatewayUsage {
  /** Calls that were answered to the end. */
  answered: number
  failed: number
  prompt_tokens: number
  completion_tokens: number
  /** Null if the price of a call is unknown. */
  cost_usd: number | null
  /** The failure of the last call; undefined if it was answered. */
  lastFailure: { status: number | null; code: string; message: string } | undefined
  /** The budget that is used up. */
  exceeded: 'calls' | 'tokens' | 'usd' | undefined
  /** Refused hosts, each once, at most 50. */
  refusedHosts: readonly string[]
}

/** The gateway of one sandbox: its only network access. */
export interface SandboxGateway {
  /** Variables for the sandbox: base URLs, the token under the names of keys, and the proxy. */
  env: Readonly<Record<string, string>>
  usage(): GatewayUsage
  /** When bytes last went through, as `performance.now()`. */
  readonly lastTrafficMs: number
  close(): Promise<void>
}

/** Opens a gateway. Resolves when it listens. */
export type OpenGateway = (options: GatewayOptions) => Promise<SandboxGateway>
