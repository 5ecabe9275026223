import type { ModelProvider } from '../../model/runbooks/runbook.ts'
import type { RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import { inside } from '../../model/runbooks/sandbox.ts'

/** Paths as the agent's process sees them: the same in every isolating sandbox. */
type AgentPlaces = { readonly [place in 'app' | 'runbook' | 'home' | 'agent' | 'tools']: string }

/** Input for starting an agent. */
export interface AgentTask {
  model: string
  provider: ModelProvider | 'scripted'
  /** Prompt: to carry out `/app/RUNBOOK.md` with the caller's additions; in a repair, what did not pass. */
  prompt: string
  /** The run's token, the only key the gateway accepts. It may appear in `env` only. */
  token: string
  /** MCP servers of the request; unsupported ones cause a warning. */
  mcpServers: Readonly<Record<string, unknown>> | undefined
  /** Default `inside`. */
  places?: AgentPlaces
}

/** How to start an agent inside a sandbox. */
interface AgentLaunch {
  argv: string[]
  env: Record<string, string>
  /** Files to write before the start, by path inside. */
  files: { path: string; text: string }[]
  stdin?: string
  warnings: string[]
}

/** The agent's own account of how it ended. */
export interface AgentReport {
  /** It reported completion without an error. */
  isDone: boolean
  /** Its own last error. */
  error: string | undefined
  /** Number of denied tool uses. */
  denied: number
  /** Its last message. */
  text: string
}

/** Parses the output of one agent. Never throws; skips what it does not know. Its events are bounded. */
export interface AgentReader {
  /** Parses one line of standard output, without its end. */
  line(text: string): NewAgentEvent[]
  /** Returns events that depend on the end; call once, after the last line and before the report. */
  rest(): NewAgentEvent[]
  report(): AgentReport
}

/** Exact npm package. */
export interface AgentPackage {
  name: string
  version: string
  /**
   * Candidate paths of the program in the package, first choice first; `{system}` is such as `linux-x64`, `{triple}`
   * such as `x86_64-unknown-linux-musl`. The one that exists is linked as `program`.
   */
  programs: readonly string[]
}

/** The models that an agent can ask. */
export interface AgentModels {
  /** Supported providers, the agent's own first. */
  providers: readonly [ModelProvider, ...ModelProvider[]]
  /** The same in the order in which they are tried when the runbook names none. */
  preferred: readonly ModelProvider[]
  /** Model that is asked when nothing names one, by provider. */
  defaults: Readonly<Partial<Record<ModelProvider, string>>>
}

/** A coding agent: what it can ask, how to start it, and how to parse its output. */
export interface Agent {
  id: RunbookAgent
  /** Undefined for an agent that asks no model. */
  models: AgentModels | undefined
  /** Model names that choose this agent when a runbook names a model but no agent. */
  modelPattern: RegExp | undefined
  /** Undefined when nothing is downloaded. */
  package: AgentPackage | undefined
  launch(task: AgentTask): AgentLaunch
  /** `scrub` removes secrets before events are cut: half a secret would not be found. */
  reader(scrub: (text: string) => string): AgentReader
}

/** Path of the linked program, whichever candidate it is. */
export const programOf = (places: AgentPlaces = inside): string => `${places.agent}/program`
