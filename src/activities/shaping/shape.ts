import { LRUCache } from 'lru-cache'
import { AppError } from '../../lib/errors.ts'
import type { Owner } from '../../lib/fair-queue.ts'
import { parsedMemory, textMemory } from '../../lib/memory/json-memory.ts'
import type { ProcessEnd, ProcessLimits } from '../../lib/processes/limited-process.ts'
import { makeProcessPool, type ProcessPool } from '../../lib/processes/warm-process.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { ActivityContext, FindTextFaults, Json } from '../activity.ts'

/** The formats that `parse` reads. */
export const readFormats = ['json', 'jsonl', 'csv', 'tsv', 'xml', 'yaml', 'html', 'pdf'] as const
export type ReadFormat = (typeof readFormats)[number]

/** What a process is asked to do with data that strangers have written. `input` is JSON. */
export type ShapeWork =
  | { kind: 'transform'; expression: string; input: string }
  | { kind: 'expressions'; expressions: string[] }
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

const endedEarly = (end: ProcessEnd | 'cancelled', what: string, limits: ProcessLimits): AppError => {
  switch (end) {
    case 'timeout':
      return new AppError('timed_out', `${what} took longer than ${limits.seconds} s`, {
        hint: 'Use less data or a simpler expression, or raise JETTY_TRANSFORM_SECONDS.',
      })
    case 'memory':
      return new AppError('too_large', `${what} needs more than ${byteSize(limits.memoryBytes)} of memory`, {
        hint: 'Use less data, or raise JETTY_TRANSFORM_MEMORY_BYTES.',
      })
    case 'killed':
      return new AppError(
        'activity_failed',
        `${what} was killed with its process, as happens when the machine has no memory left`,
        {
          hint: 'Look for the out-of-memory killer in the log of the system. A retry starts another process.',
          retryable: true,
        },
      )
    case 'crashed':
      return new AppError('activity_failed', `${what} failed: its process crashed or could not start`, {
        hint: 'A retry starts another process. If it happens again with the same data, report it.',
        retryable: true,
      })
    case 'cancelled':
      return new AppError('cancelled', `${what} was interrupted`)
  }
}

const requireInputSize = (length: number, { settings }: ActivityContext): void => {
  const most = settings.transformLimits.inputBytes
  if (length <= most) return
  throw new AppError('too_large', `The input has ${byteSize(length)} as JSON; this server allows ${byteSize(most)}`, {
    hint: 'Pass less of it, or raise JETTY_TRANSFORM_INPUT_BYTES.',
  })
}

interface ShapeScope {
  owner: Owner
  limits: ProcessLimits
  signal: AbortSignal
}

/** Does the work in a process with limits of time and memory, and returns JSON text. `what` names it in errors. */
export const shapedText = async (
  work: ShapeWork,
  what: string,
  { owner, limits, signal }: ShapeScope,
): Promise<string> => {
  const answer = await poolFor(limits)(owner, work, signal)
  if ('end' in answer) throw endedEarly(answer.end, what, limits)
  if ('text' in answer.answer) return answer.answer.text
  throw new AppError('activity_failed', `${what} failed: ${answer.answer.problem}`)
}

/** Does the work of a step, and reserves memory for its result. */
export const shape = async (work: ShapeWork, what: string, context: ActivityContext): Promise<Json> => {
  const { owner, signal, settings } = context
  const text = await shapedText(work, what, { owner, limits: settings.transformLimits, signal })
  await context.room(textMemory(text) + parsedMemory(text))
  return JSON.parse(text)
}

/** A value as JSON, with memory reserved for it. Throws `too_large` above the limit for inputs. */
export const jsonInput = async (value: Json, context: ActivityContext): Promise<string> => {
  const text = JSON.stringify(value) ?? 'null'
  requireInputSize(text.length, context)
  await context.room(textMemory(text))
  return text
}

/** Largest expression. Reading one of this length takes a process up to two seconds. */
export const mostExpressionCharacters = 20_000

/** Faults of expressions by their text, empty for none: an editor checks a definition with each key press. */
const knownFaults = new LRUCache<string, string>({
  maxSize: 4 * 1024 * 1024,
  sizeCalculation: (fault, text) => text.length + fault.length + 1,
})

/** Puts expressions together for one message: reading those takes no longer than reading a single large one. */
const inMessages = (texts: readonly string[]): string[][] => {
  const messages: string[][] = []
  let size = mostExpressionCharacters
  for (const text of texts) {
    size += text.length
    if (size > mostExpressionCharacters) {
      messages.push([])
      size = text.length
    }
    messages.at(-1)?.push(text)
  }
  return messages
}

/** Finds the faults of JSONata expressions. Those that cannot be read in `checkSeconds` are `unread`. */
export const findExpressionFaults: FindTextFaults = async (texts, { owner, settings }) => {
  const faults = new Map<string, string | undefined>()
  const unknown = new Set<string>()
  for (const text of texts) {
    const known = knownFaults.get(text)
    if (known !== undefined) faults.set(text, known || undefined)
    else if (text.length <= mostExpressionCharacters) unknown.add(text)
  }
  const ask = poolFor(settings.transformLimits)
  const begun = performance.now()
  const signal = AbortSignal.timeout(settings.checkSeconds * 1000)
  for (const expressions of inMessages([...unknown])) {
    const seconds = settings.checkSeconds - (performance.now() - begun) / 1000
    if (seconds <= 0) break
    const answer = await ask(owner, { kind: 'expressions', expressions }, signal, seconds)
    if ('end' in answer || 'problem' in answer.answer) continue
    const found = JSON.parse(answer.answer.text) as (string | null)[]
    for (const [at, text] of expressions.entries()) {
      const fault = found[at] == null ? undefined : `it is not JSONata: ${found[at]}`
      knownFaults.set(text, fault ?? '')
      faults.set(text, fault)
      unknown.delete(text)
    }
  }
  return { faults, unread: unknown }
}
