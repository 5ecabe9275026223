import type { ModelCaller } from '../model/gateway/chat.ts'
import type { ModelProvider } from '../model/runbooks/runbook.ts'
import type { NewAgentEvent, RunbookHost } from '../model/runbooks/runbook-run.ts'

/** Where the inside may go. `models`: to its models alone. `public`: to every public address. Hosts narrow that. */
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
  /** Random; the only key that this gateway accepts, and the only one that the inside ever sees. */
  token: string
  /** Whom the agent asks; `scripted` needs nobody. */
  provider: ModelProvider | 'scripted'
  /** Variables that the inside was to have: whose key is among them may be asked as well. */
  declared: readonly string[]
  caller: Omit<ModelCaller, 'signal'>
  network: SandboxNetwork
  budget: CallBudget
  paid: RunbookHost['paid']
  tell(event: NewAgentEvent): void
  /** Cuts everything off at once. */
  signal: AbortSignal
}

/** What has gone through so far. */
export interface GatewayUsage {
  /** Calls that a model has answered to the end. */
  answered: number
  failed: number
  prompt_tokens: number
  completion_tokens: number
  /** Null where the price of a call is not known. */
  cost_usd: number | null
  /** The last call failed, and so; undefined where it was answered. */
  lastFailure: { status: number | null; code: string; message: string } | undefined
  /** Which budget is used up. */
  exceeded: 'calls' | 'tokens' | 'usd' | undefined
  /** Hosts that were refused, each once, up to 50. */
  refusedHosts: readonly string[]
}

/** The one way out of one sandbox. */
export interface SandboxGateway {
  /** Variables for the inside: base URLs and the run's token under the names of keys, and the proxy. */
  env: Readonly<Record<string, string>>
  usage(): GatewayUsage
  /** When (`performance.now()`) something went through last. */
  readonly lastTrafficMs: number
  close(): Promise<void>
}

/** Resolves when it listens. */
export type OpenGateway = (options: GatewayOptions) => Promise<SandboxGateway>
