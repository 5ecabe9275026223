import { z } from 'zod'
import type { FileSource } from '../file-source.ts'
import type { CallModel, ModelCaller } from '../gateway/chat.ts'
import { mediaObject } from '../gateway/media-object.ts'
import type { RunbookPreflight, RunbookRequest } from './runbook-request.ts'
import type { SandboxName } from './sandbox.ts'

/**
 * Why a runbook was not carried out, in the order in which they are looked for: the first that holds is the reason that
 * is named. Success is what is left when none does.
 */
export const runbookFailures = {
  cancelled: 'Somebody cancelled the run, or the server stopped.',
  not_started: 'The sandbox or the agent in it could not be started.',
  timed_out: 'It took longer than `timeout_sec`.',
  stalled: 'The agent neither said nor asked anything for `JETTY_RUNBOOK_IDLE_SECONDS`.',
  out_of_memory: 'It used more memory than it was given.',
  process_limit: 'It tried to have more processes than it may, and ended without success.',
  disk_full: 'It wrote more than it may.',
  output_limit: 'It printed more than is kept.',
  budget_exceeded: 'Its calls, tokens or dollars are used up.',
  model_failed: 'The model could not be asked, or did not answer: refused, unknown, out of order, or broken off.',
  no_model_call: 'It ended without one successful call of a model.',
  agent_failed: 'The agent ended with an exit code other than 0, or reported an error of its own.',
  agent_unfinished: 'The agent ended without having said that it is done.',
  permission_denied: 'The agent was denied a tool that it wanted to use.',
  missing_files: 'Files that the runbook declares are not there.',
  empty_files: 'Files that the runbook declares are empty.',
  no_results: 'Nothing was declared, and nothing was written.',
  report_invalid: '`validation_report.json` is missing though it is declared, or cannot be read.',
  report_failed: '`validation_report.json` says `overall_passed: false`.',
  verify_failed: 'The independent check did not pass.',
  verify_unavailable: 'The independent check could not be carried out.',
} as const
export type RunbookFailure = keyof typeof runbookFailures

/**
 * Those that have nothing to do with what the runbook says or the agent made of it, so that the same may succeed the next
 * time. What an agent has failed at costs as much once more, and is decided by whoever pays for it.
 */
export const mayPass: ReadonlySet<RunbookFailure> = new Set([
  'not_started',
  'stalled',
  'model_failed',
  'verify_unavailable',
])

/** What happens while a runbook is carried out, in the order in which it is seen. All texts are bounded and scrubbed. */
export type AgentEvent = { at: string } & (
  | { type: 'phase'; phase: RunbookPhase; message: string }
  /** What the agent says; `delta` parts of one message are joined before they come here. */
  | { type: 'message'; role: 'assistant' | 'user' | 'system'; text: string }
  | { type: 'tool_call'; id: string; name: string; input: unknown }
  | { type: 'tool_result'; id: string; output: string; is_error: boolean }
  /** One answered call of a model, as the gateway of the sandbox has metered it. */
  | { type: 'usage'; model: string; prompt_tokens: number; completion_tokens: number; cost_usd: number | null }
  | { type: 'warning'; message: string }
  | { type: 'error'; message: string }
  | { type: 'end'; ok: boolean; reason: string }
)
export type AgentEventType = AgentEvent['type']
/** An event before it has its time. */
export type NewAgentEvent = AgentEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never

export type RunbookPhase = 'waiting' | 'preparing' | 'working' | 'collecting' | 'verifying' | 'repairing' | 'finished'

/**
 * What the model calls of one runbook came to, answers that broke off as far as they came; `cost_usd` is null where the
 * price of one is not known.
 */
export const runbookUsageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  cost_usd: z.number().nullable(),
  duration_seconds: z.number().describe('Of the agent and its repairs, in wall-clock time.'),
  api_calls: z.int().describe('Calls that a model has answered.'),
})
export type RunbookUsage = z.output<typeof runbookUsageSchema>

export const resultFileSchema = mediaObject.extend({
  relative_path: z.string().describe('Below the results folder; of the agent log, its name.'),
})
export type ResultFile = z.output<typeof resultFileSchema>

export const verificationSchema = z.object({
  passed: z.boolean(),
  kind: z.enum(['command', 'judge']),
  /** What the command printed last, or how the judge explained its score. */
  output: z.string(),
  exit_code: z.int().nullable(),
  score: z.number().nullable(),
  repair_rounds: z.int().describe('How often the agent was asked to repair what it had made.'),
})
export type Verification = z.output<typeof verificationSchema>

/** What came of a runbook: the outputs of its step (contract §3.2), and why it failed, if it did. */
export interface RunbookOutcome {
  failure: { reason: RunbookFailure; message: string; hint?: string } | null
  results_files: ResultFile[]
  /** Results, then the agent's log. */
  files: ResultFile[]
  /** Storage paths in the order of `primary_outputs`; without these, the first result of the table of output files. */
  primary_files: string[]
  text: string
  agent: string
  model: string
  model_provider: string | null
  snapshot: string | null
  image: string | null
  /** What it ran in. */
  sandbox: SandboxName
  exit_code: number | null
  agent_log: string | null
  usage: RunbookUsage
  results_dir: string
  validation_report: Record<string, unknown> | null
  verification: Verification | null
}

export interface ScrubbedFile {
  file: FileSource
  /** What was struck out of the bytes that have been read; undefined where nothing was. */
  struck(): { names: string[]; isText: boolean } | undefined
}

/** What differs between a step of a run on a server and a runbook on a machine without one. */
export interface RunbookHost {
  /** Names the sandbox and the copies of inputs; the trajectory id of a run. Letters, digits, `-` and `_`. */
  id: string
  /** Whose share of the sandboxes it uses: a collection. */
  owner: string
  /** Whose keys the gateway uses, and who admits each call. */
  caller: Omit<ModelCaller, 'signal'>
  /** Names of all variables that were sent with this run alone; `caller.env` has their values. */
  secretParams: readonly string[]
  /** Counts what a call of a model has cost; resolves when it is on disk. */
  paid(cost: { usd: number | null; tokens: number }): Promise<void>
  /** For a judge that verifies. */
  chat(request: Parameters<CallModel>[0], options?: Parameters<CallModel>[2]): ReturnType<CallModel>
  /** An input, by its storage path; `not_found` where there is none. */
  openFile(path: string): Promise<FileSource>
  /** Keeps a file that was made; `keepAs` is its path below the results folder, or the name of the log. */
  keep(file: FileSource, keepAs: string, kind?: 'log'): Promise<ResultFile>
  tell(event: NewAgentEvent): void
  /** Strikes secrets out of a text. */
  scrub(text: string): string
  /** The same for what is kept as a file, and read by others than the agent. */
  scrubFile(file: FileSource): ScrubbedFile
  /** It was begun before by a process that is gone: this is a fresh sandbox. */
  isRepeated: boolean
  signal: AbortSignal
}

/**
 * Carries a runbook out in a fresh sandbox and decides whether it succeeded. What goes wrong with the runbook is in
 * `failure`, with everything that was made. Throws only what preflight refuses (`invalid`, `sandbox_unavailable`), inputs
 * that cannot be had (`invalid`, `not_found`), and what breaks the host.
 */
export type CarryOutRunbook = (request: RunbookRequest, host: RunbookHost) => Promise<RunbookOutcome>

/** What a runbook would find where it was begun now. */
export interface RunbookPlace {
  env(name: string): string | undefined
  lent?(name: string): boolean
  secretParams: readonly string[]
  /** Whether there is an input at a storage path. */
  hasFile(path: string): Promise<boolean>
}

/** Looks at everything that a runbook needs before any of it costs. Starts nothing, and throws nothing. */
export type PreflightRunbook = (request: RunbookRequest, place: RunbookPlace) => Promise<RunbookPreflight>

/**
 * Throws, with everything that was found, what keeps a runbook from being begun; of checks that are named in `unknown`
 * nothing can be said yet.
 */
export type CheckRunbook = (request: RunbookRequest, place: RunbookPlace, unknown: readonly string[]) => Promise<void>
