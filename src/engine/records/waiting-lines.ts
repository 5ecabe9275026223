import type { LogPlace } from './call-log.ts'
import { type LineContent, lineJson } from './log-line.ts'

/** What became of a line on its way to Postgres; `away`: Postgres does not answer. */
export type LineOutcome = 'committed' | 'away' | { refusal: unknown }

/** A line on its way to Postgres. */
export interface WaitingLine {
  /** Bytes of the whole line. */
  size: number
  /** Undefined: it is read from its file, because memory is short. */
  content: LineContent | undefined
  /** The collection of its call; undefined for a large value of a call, whose own line follows. */
  collection: number | undefined
  /** Its place in the call log; the error of the disk if it could not be appended. */
  logged: LogPlace | { error: unknown }
  /** Whether its call is answered only once Postgres has it. */
  isAwaited?: boolean
  /** Set once it is known. */
  outcome?: LineOutcome
  /** Called for somebody who waits for it. */
  settle?: (outcome: LineOutcome) => void
}

/** Lines in the order in which they were appended. */
export interface WaitingLines {
  readonly length: number
  /** Bytes of the lines that wait or are being written. */
  readonly bytes: number
  /** The last lines of these collections' calls that wait or are being written; without collections, that of each. */
  last(collections?: readonly number[]): WaitingLine[]
  /** Whether it is time for a statement: there is enough for one, or somebody waits. */
  readonly areDue: boolean
  add(line: Pick<WaitingLine, 'size' | 'logged' | 'collection'> & { content: LineContent }): WaitingLine
  /** Removes the lines of one statement, at least one. They count until `written`. */
  next(): WaitingLine[]
  written(): void
}

/** Maximum of one statement after its first line, so that it is answered in time. */
const mostBatchBytes = 4 * 1024 * 1024
const mostBatchLines = 256
/** Lines and bytes that are enough for a statement. */
const enoughLines = 64
const enoughBytes = 256 * 1024
/** Bytes of lines in memory above which the next ones are read from their files. */
const mostBytesInMemory = 8 * 1024 * 1024

/** Returns the content of a waiting line; undefined when another process has taken it over with its file. */
export const contentOfWaiting = ({ content, logged, size }: WaitingLine): LineContent | undefined => {
  if (content || !('file' in logged)) return content
  const bytes = logged.file.read(logged.end - size, size)
  return bytes && lineJson(bytes)
}

export const makeWaitingLines = (): WaitingLines => {
  const queue: WaitingLine[] = []
  let underWay: WaitingLine[] = []
  let bytes = 0
  const lastOf = new Map<number, WaitingLine>()
  const fitting = (): number => {
    let sum = 0
    const end = queue.findIndex(({ size }, at) => {
      sum += size
      return at > 0 && (sum > mostBatchBytes || at >= mostBatchLines)
    })
    return end === -1 ? queue.length : end
  }
  return {
    get length() {
      return queue.length
    },
    get bytes() {
      return bytes
    },
    last(collections) {
      if (!collections) return [...lastOf.values()]
      return collections.map((id) => lastOf.get(id)).filter((line) => line !== undefined)
    },
    get areDue() {
      return queue.length >= enoughLines || bytes >= enoughBytes || queue.some(({ settle }) => settle)
    },
    add({ content, size, logged, collection }) {
      bytes += size
      const isKept = bytes <= mostBytesInMemory || 'error' in logged
      const one: WaitingLine = { size, content: isKept ? content : undefined, logged, collection }
      queue.push(one)
      if (collection !== undefined) lastOf.set(collection, one)
      return one
    },
    next() {
      underWay = queue.splice(0, fitting())
      return underWay
    },
    written() {
      for (const line of underWay) {
        bytes -= line.size
        if (line.collection !== undefined && lastOf.get(line.collection) === line) lastOf.delete(line.collection)
      }
      underWay = []
    },
  }
}
