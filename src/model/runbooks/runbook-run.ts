import { z } from 'zod'
import type { FileSource } from '../file-source.ts'
import type { CallModel, ModelCaller } from '../gateway/chat.ts'
import { mediaObjectSchema } from '../gateway/media-object.ts'
import type { RunbookPreflight, RunbookRequest } from './runbook-request.ts'
import type { SandboxName } from './sandbox.ts'

/**
 * Reasons for the failure of a runbook, in the order in which they are checked: the first that applies is reported. If
 * none applies, the runbook succeeded.
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
 * Failures caused neither by the runbook nor by the agent, so that a retry may succeed. An agent's failure would cost
 * as much again, so whoever pays decides about a retry.
 */
export const mayPass: ReadonlySet<RunbookFailure> = new Set([
  'not_started',
  'stalled',
  'model_failed',
  'verify_unavailable',
])

/** Events of a runbook, in order. All texts are bounded and scrubbed. */
type AgentEvent = { at: string } & (
  | { type: 'phase'; phase: RunbookPhase; message: string }
  /** A message of the agent; `delta` parts are joined before. */
  | { type: 'message'; role: 'assistant' | 'user' | 'system'; text: string }
  | { type: 'tool_call'; id: string; name: string; input: unknown }
  | { type: 'tool_result'; id: string; output: string; is_error: boolean }
  /** One answered model call, as metered by the sandbox's gateway. */
  | { type: 'usage'; model: string; prompt_tokens: number; completion_tokens: number; cost_usd: number | null }
  /** What a script printed, in lines. */
  | { type: 'output'; stream: 'stdout' | 'stderr'; text: string }
  | { type: 'warning'; message: string }
  | { type: 'error'; message: string }
  | { type: 'end'; ok: boolean; reason: string }
)
export type AgentEventType = AgentEvent['type']
/** An event before its time is set. */
export type NewAgentEvent = AgentEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never

export type RunbookPhase = 'waiting' | 'preparing' | 'working' | 'collecting' | 'verifying' | 'repairing' | 'finished'

/**
 * Usage of a runbook's model calls, interrupted answers included as far as they came; `cost_usd` is null when a price
 * is unknown.
 */
export const runbookUsageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  cost_usd: z.number().nullable(),
  duration_seconds: z.number().describe('Wall-clock time of the agent and its repairs.'),
  api_calls: z.int().describe('Number of answered model calls.'),
})
export type RunbookUsage = z.output<typeof runbookUsageSchema>

export const resultFileSchema = mediaObjectSchema.extend({
  relative_path: z.string().describe('Path below the results folder; for the agent log, its name.'),
})
export type ResultFile = z.output<typeof resultFileSchema>

export const verificationSchema = z.object({
  passed: z.boolean(),
  kind: z.enum(['command', 'judge']),
  /** End of the command's output, or the judge's explanation. */
  output: z.string(),
  exit_code: z.int().nullable(),
  score: z.number().nullable(),
  repair_rounds: z.int().describe('Number of times the agent was asked to repair its results.'),
})
export type Verification = z.output<typeof verificationSchema>

/** Result of a runbook: the outputs of its step (contract §3.2), and the failure, if any. */
export interface RunbookOutcome {
  failure: { reason: RunbookFailure; message: string; hint?: string } | null
  results_files: ResultFile[]
  /** Results, then the agent's log. */
  files: ResultFile[]
  /** Storage paths in the order of `primary_outputs`; without these, the first result of the output table. */
  primary_files: string[]
  text: string
  agent: string
  model: string
  model_provider: string | null
  snapshot: string | null
  image: string | null
  /** Kind of sandbox used. */
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
  /** Secrets removed from the bytes read so far; undefined when there were none. */
  struck(): { names: string[]; isText: boolean } | undefined
}

/** The parts that differ between a step on a server and a local runbook. */
export interface RunbookHost {
  /** Names the sandbox and the copies of inputs; the run's trajectory id. Letters, digits, `-` and `_`. */
  id: string
  /** Owner of the sandbox share: a collection. */
  owner: { readonly payer: number | string; readonly collectionId: number }
  /** Keys of the gateway's calls, and who admits them. */
  caller: Omit<ModelCaller, 'signal'>
  /** The trace that the agent is part of, for its variables `TRACEPARENT` and `TRACESTATE`. */
  trace?: string | undefined
  /** Variables sent with this run only; `caller.env` has their values. */
  secretParams: readonly string[]
  /** Records the cost of a call of `provider/model`; resolves when it is durable. */
  paid(cost: { model: string; usd: number | null; tokens: number }): Promise<void>
  /** Model call of a verifying judge. */
  chat(request: Parameters<CallModel>[0], options?: Parameters<CallModel>[2]): ReturnType<CallModel>
  /** Opens an input by storage path; throws `not_found`. */
  openFile(path: string): Promise<FileSource>
  /** Stores a result; `keepAs` is its path below the results folder, or the log's name. */
  keep(file: FileSource, keepAs: string, kind?: 'log'): Promise<ResultFile>
  tell(event: NewAgentEvent): void
  /** Removes secrets from a text. */
  scrub(text: string): string
  /** Removes secrets from a file that others than the agent will read. */
  scrubFile(file: FileSource): ScrubbedFile
  /** A dead process had started it before; this is a fresh sandbox. */
  isRepeated: boolean
  signal: AbortSignal
}

/**
 * Runs a runbook in a fresh sandbox and decides whether it succeeded. Its failures are reported in `failure`, with
 * everything that was made. Throws only what preflight refuses (`invalid`, `sandbox_unavailable`), for unavailable
 * inputs (`invalid`, `not_found`), and for errors of the host.
 */
export type CarryOutRunbook = (request: RunbookRequest, host: RunbookHost) => Promise<RunbookOutcome>

/** Environment in which a runbook would start now. */
export interface RunbookPlace {
  env(name: string): string | undefined
  lent?(name: string): boolean
  secretParams: readonly string[]
  /** Whether an input exists at a storage path. */
  hasFile(path: string): Promise<boolean>
}

/** Checks everything a runbook needs before it costs anything. Starts nothing and never throws. */
export type PreflightRunbook = (request: RunbookRequest, place: RunbookPlace) => Promise<RunbookPreflight>

/**
 * Throws with all findings when a runbook cannot start; checks named in `unknown` cannot be decided yet and are
 * skipped.
 */
export type CheckRunbook = (request: RunbookRequest, place: RunbookPlace, unknown: readonly string[]) => Promise<void>
