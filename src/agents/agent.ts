import type { ModelProvider, RunbookAgent } from '../model/runbook.ts'
import type { NewAgentEvent } from '../model/runbook-run.ts'

/** What an agent is asked to do. */
export interface AgentTask {
  model: string
  provider: ModelProvider | 'scripted'
  /** What it is told: to carry out `/app/RUNBOOK.md`, and what the caller adds; in a repair, what did not pass. */
  prompt: string
  /** Holds the run's token, and is set inside. */
  tokenVariable: string
  /** As the request has them; those that an agent cannot have are a warning. */
  mcpServers: Readonly<Record<string, unknown>> | undefined
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

/** Reads what one agent prints. Never throws: what it does not know it leaves out. */
export interface AgentReader {
  /** One line of standard output, without its end. */
  line(text: string): NewAgentEvent[]
  report(): AgentReport
}

/** A coding agent: how it is started, and how what it prints is read. */
export interface Agent {
  id: RunbookAgent
  /** What is fetched from npm, exactly; undefined where nothing is. */
  package: { name: string; version: string /** Below its folder. */; executable: string } | undefined
  launch(task: AgentTask): AgentLaunch
  reader(): AgentReader
}
