import type { ModelProvider } from '../model/runbooks/runbook.ts'
import type { RunbookAgent } from '../model/runbooks/runbook-agents.ts'
import type { NewAgentEvent } from '../model/runbooks/runbook-run.ts'
import { inside } from '../model/runbooks/sandbox.ts'

/** Where things stand for the process of the agent: those of every sandbox that isolates. */
export type AgentPlaces = { readonly [place in 'app' | 'runbook' | 'home' | 'agent' | 'tools']: string }

/** What an agent is asked to do. */
export interface AgentTask {
  model: string
  provider: ModelProvider | 'scripted'
  /** What it is told: to carry out `/app/RUNBOOK.md`, and what the caller adds; in a repair, what did not pass. */
  prompt: string
  /** The run's token: the one key that the gateway accepts. It may stand in `env`, and nowhere else. */
  token: string
  /** As the request has them; those that an agent cannot have are a warning. */
  mcpServers: Readonly<Record<string, unknown>> | undefined
  /** Default `inside`. */
  places?: AgentPlaces
}

/** How it is started inside a sandbox. */
export interface AgentLaunch {
  argv: string[]
  env: Record<string, string>
  /** Files for the inside, by their path inside. */
  files: { path: string; text: string }[]
  stdin?: string
  warnings: string[]
}

/** How the agent says it went, once it has ended. */
export interface AgentReport {
  /** It has said by itself that it is done, and without an error. */
  isDone: boolean
  /** Its own last error. */
  error: string | undefined
  /** Uses of tools that it was denied. */
  denied: number
  /** Its last message. */
  text: string
}

/** Reads what one agent prints. Never throws: what it does not know it leaves out. Its events are bounded. */
export interface AgentReader {
  /** One line of standard output, without its end. */
  line(text: string): NewAgentEvent[]
  /** What can only be told once it has ended; once, after the last line and before the report. */
  rest(): NewAgentEvent[]
  report(): AgentReport
}

/** What is fetched from npm, exactly. */
export interface AgentPackage {
  name: string
  version: string
  /**
   * Where its program may stand below its folder, the first choice first; `{system}` is such as `linux-x64`, `{triple}`
   * such as `x86_64-unknown-linux-musl`. The one that is there is linked as `program`.
   */
  programs: readonly string[]
}

/** A coding agent: how it is started, and how what it prints is read. */
export interface Agent {
  id: RunbookAgent
  /** Undefined where nothing is fetched. */
  package: AgentPackage | undefined
  launch(task: AgentTask): AgentLaunch
  /** `scrub` strikes secrets out, before anything is cut to what an event keeps: half a secret would not be found. */
  reader(scrub: (text: string) => string): AgentReader
}

/** Where the program of an agent is found, whichever of its files it is. */
export const programOf = (places: AgentPlaces = inside): string => `${places.agent}/program`
