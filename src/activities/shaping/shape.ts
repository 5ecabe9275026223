import { AppError } from '../../lib/errors.ts'
import { parsedMemory, textMemory } from '../../lib/memory/json-memory.ts'
import type { ProcessLimits } from '../../lib/processes/limited-process.ts'
import { makeProcessPool, type ProcessPool } from '../../lib/processes/process-pool.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { ActivityContext, Json } from '../activity.ts'

/** The formats that `parse` reads. */
export const readFormats = ['json', 'jsonl', 'csv', 'tsv', 'xml', 'yaml', 'html', 'pdf'] as const
export type ReadFormat = (typeof readFormats)[number]

/** What a process is asked to do with data that strangers have written. `input` is JSON. */
export type ShapeWork =
  | { kind: 'transform'; expression: string; input: string }
  | { kind: 'items'; input: string }
  | { kind: 'parse'; format: ReadFormat; content: string | Uint8Array; delimiter: string | undefined; header: boolean }
  | { kind: 'html'; markdown: string; title: string | undefined }
  | { kind: 'csv' | 'json' | 'jsonl'; input: string; columns: string[] | undefined }

/** The result as JSON text, or the problem with the data as a sentence. */
export type Shaped = { text: string } | { problem: string }

/** Maximum characters of a result. */
export const mostShapedCharacters = 32 * 1024 * 1024

const atOnce = 2
let pool: { limits: ProcessLimits; ask: ProcessPool<ShapeWork, Shaped> } | undefined

const poolFor = (limits: ProcessLimits): ProcessPool<ShapeWork, Shaped> => {
  if (pool?.limits.seconds !== limits.seconds || pool.limits.memoryBytes !== limits.memoryBytes) {
    pool = { limits, ask: makeProcessPool({ module: import.meta.url, program: 'shape-process', limits }, atOnce) }
  }
  return pool.ask
}

const exceeded = (end: 'timeout' | 'memory' | 'exit', what: string, limits: ProcessLimits): AppError =>
  end === 'timeout'
    ? new AppError('timed_out', `${what} took longer than ${limits.seconds} s`, {
        hint: 'Use less data or a simpler expression, or raise JETTY_TRANSFORM_SECONDS.',
      })
    : new AppError('too_large', `${what} needs more than ${byteSize(limits.memoryBytes)} of memory`, {
        hint: 'Use less data, or raise JETTY_TRANSFORM_MEMORY_BYTES.',
      })

/** Does the work in a process with limits of time and memory. `what` names it in errors. */
export const shape = async (work: ShapeWork, what: string, context: ActivityContext): Promise<Json> => {
  const limits = context.settings.transformLimits
  const answer = await poolFor(limits)(context.run.collection, work, context.signal)
  if ('end' in answer) throw exceeded(answer.end, what, limits)
  if ('problem' in answer.answer) {
    throw new AppError('activity_failed', `${what} failed: ${answer.answer.problem}`)
  }
  const { text } = answer.answer
  await context.room(textMemory(text) + parsedMemory(text))
  return JSON.parse(text)
}

/** A value as JSON, with memory reserved for it. */
export const jsonInput = async (value: Json, context: ActivityContext): Promise<string> => {
  const text = JSON.stringify(value) ?? 'null'
  await context.room(textMemory(text))
  return text
}
