import { AppError } from '../../../lib/errors.ts'
import { isObject } from '../../../lib/json/json-object.ts'
import { now, timestamp } from '../../../lib/time.ts'
import { addCallUsage } from '../../../model/gateway/model-totals.ts'
import type { StepLog } from '../../../model/runs/step.ts'
import type { ModelTurn, StepCall, ToolEnd } from '../../../model/runs/step-call.ts'
import { readStepCalls } from '../../../store/runs/step-calls.ts'
import type { StepAtWork } from '../step-at-work.ts'
import type { StepSide } from '../step-side.ts'

/** Turns and tool calls that the log of one step names; the records have all of them. */
const mostLines = 200

const seconds = (duration: number): string => `${duration < 10 ? duration.toFixed(1) : Math.round(duration)} s`

const namesOf = ({ message }: ModelTurn): string[] =>
  (Array.isArray(message.tool_calls) ? message.tool_calls : []).flatMap((call) =>
    isObject(call) && isObject(call.function) ? [String(call.function.name)] : [],
  )

const turnText = (turn: ModelTurn): string => {
  const names = namesOf(turn)
  const did = names.length === 0 ? 'answered' : `called ${names.join(', ')}`
  const tokens = turn.usage ? `, ${turn.usage.total_tokens} tokens` : ''
  return `Turn ${turn.turn}: ${turn.model} ${did} (${seconds(turn.duration_seconds)}${tokens})`
}

const toolText = ({ turn, tool, status, duration_seconds, trajectory_id }: ToolEnd): string => {
  const run = trajectory_id === undefined ? '' : ` in run ${trajectory_id}`
  return `Turn ${turn}: ${tool} ${status}${run} (${seconds(duration_seconds)})`
}

/** Adds a turn or the end of a tool call to the log of its step, unless it is there. */
const logCall = ({ warnings }: StepSide, call: StepCall, at: Date): void => {
  if (call.type === 'tool_started') return
  const [type, message] = call.type === 'model' ? ['model_turn', turnText(call)] : ['tool_call', toolText(call)]
  const id = call.type === 'model' ? `${call.turn}` : `${call.turn} ${call.id}`
  const own = warnings.filter((one) => one.type === 'model_turn' || one.type === 'tool_call')
  if (own.length >= mostLines || own.some((one) => one.type === type && one.attributes.call === id)) return
  const level: StepLog['level'] = call.type === 'tool' && call.status !== 'completed' ? 'warning' : 'info'
  warnings.push({ timestamp: timestamp(at), level, type, message, attributes: { call: id } })
}

/** The records of a step with tools: the checkpoint from which it is resumed. */
export interface StepCalls {
  readonly rows: readonly StepCall[]
  /** Writes a record, with the files that were stored for it. Resolves when it is on disk. Throws Fenced. */
  add(call: StepCall, files?: StepSide['files']): Promise<void>
}

/** Copies of the records in memory: as text, as values, and in the requests of the model. */
const copiesOfRecords = 3
/** Maximum size of the records of one step; bytes. A model gets all of them again with each turn. */
const mostBytes = 32 * 1024 * 1024

const tooMuch = (step: string): AppError =>
  new AppError('output_too_large', `The conversation of step '${step}' is longer than ${mostBytes / 1024 / 1024} MiB`, {
    hint: 'Lower max_turns or JETTY_TOOL_RESULT_CHARACTERS, or let tools return less.',
  })

/** Reads what the step has recorded under earlier owners of the run, and counts its usage. */
export const openStepCalls = async (work: StepAtWork): Promise<StepCalls> => {
  const { engine, lease, run, place, side, startRow } = work
  const stored = await readStepCalls(engine.database, run.key, place.seq)
  let bytes = stored.reduce((sum, { call }) => sum + call.length, 0)
  await work.memory.room(copiesOfRecords * bytes)
  const rows = stored.map(({ call }) => JSON.parse(call) as StepCall)
  for (const [at, row] of rows.entries()) logCall(side, row, stored[at]?.at ?? new Date(now()))
  side.numbering = { next: rows.reduce((sum, row) => sum + filesOf(row), 0) }
  if (rows.length > 0) side.usage = usageOf(rows)
  let next = (stored.at(-1)?.n ?? -1) + 1
  let tail: Promise<unknown> = Promise.resolve()

  const write = async (call: StepCall, files: StepSide['files']): Promise<void> => {
    const text = run.environment.scrub.json(call)
    bytes += text.length
    if (bytes > mostBytes) throw tooMuch(place.name)
    await work.memory.room(copiesOfRecords * text.length)
    const atMs = now()
    const calls = { runKey: run.key, seq: place.seq, rows: [{ n: next++, atMs, call: text }] }
    const recorded = JSON.parse(text) as StepCall
    rows.push(recorded)
    logCall(side, recorded, new Date(atMs))
    await engine.confirmLease(lease)
    await startRow.writeWith({ calls, ...(files.length > 0 && { files }) })
    const fileBytes = files.reduce((sum, { size }) => sum + size, 0)
    engine.quota.add(run.collectionId, { databaseBytes: Buffer.byteLength(text), fileBytes })
  }
  return {
    rows,
    add(call, files = []) {
      // One after the other: a statement writes the row of a step once.
      const written = tail.then(() => write(call, files))
      tail = written.catch(() => {})
      return written
    },
  }
}

const filesOf = (row: StepCall): number =>
  row.type === 'tool' ? (row.files ?? 0) : row.type === 'model' ? (row.images?.length ?? 0) : 0

const usageOf = (rows: readonly StepCall[]): StepSide['usage'] => {
  let sum: StepSide['usage']
  for (const row of rows) {
    if (row.type === 'model') sum = addCallUsage(sum, row.usage, row.cost_usd)
    else if (row.type === 'tool' && row.usage) sum = addCallUsage(sum, row.usage, row.cost_usd ?? null)
  }
  return sum
}
