import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import type { CallLogMode, RecordDestination, RecordedCall } from '../../model/gateway/recorded-call.ts'
import type { Database } from '../../store/database/database.ts'
import { isRefused, makeOwnConnection, type OwnConnection } from '../../store/database/own-connection.ts'
import { makeWriteProbe } from '../../store/database/watch.ts'
import { diskError } from '../../store/objects/disk.ts'
import { requestPayload } from '../../store/runs/payloads.ts'
import type { RecordStatistics } from '../engine.ts'
import { type CallLog, type LogPlace, openCallLog } from './call-log.ts'
import { type CallWriter, makeCallWriter } from './call-writer.ts'
import { callLines, contentBytes, type LineContent, lineJson, loggedValue, payloadLine } from './log-line.ts'
import { makeReplay } from './log-replay.ts'
import {
  contentOfWaiting,
  type LineOutcome,
  makeWaitingLines,
  type WaitingLine,
  type WaitingLines,
} from './waiting-lines.ts'

/** Tracks whether the database answers the statements that record calls. */
interface RecordOutage {
  readonly isAway: boolean
  /** Notes a failed statement. From then on the outage probes the database until it answers. */
  begin(error: unknown): void
}

const probeBackoff = { firstMs: 250, longestMs: 1_000 }

const makeRecordOutage = (options: {
  own: Pick<OwnConnection, 'rows' | 'drop'>
  log: Logger
  signal: AbortSignal
  /** Called when the database answers again. */
  onEnd(): Promise<void>
}): RecordOutage => {
  const { own, log, signal, onEnd } = options
  const probe = makeWriteProbe(own)
  let isAway = false

  const waitForDatabase = async (): Promise<void> => {
    for (let probes = 1; await pause(backoffMs(probes, probeBackoff), signal); probes++) {
      try {
        await probe.trySpace()
        isAway = false
        log.info('calls are recorded in the database again')
        return onEnd()
      } catch {
        own.drop()
      }
    }
  }

  return {
    get isAway() {
      return isAway
    },
    begin(error) {
      own.drop()
      if (isAway) return
      isAway = true
      log.warn({ err: error }, 'calls are recorded in a file until the database answers')
      void waitForDatabase()
    },
  }
}

interface SenderDeps {
  write: CallWriter
  calls: CallLog
  outage: RecordOutage
  log: Logger
  statistics: { recorded: number; spilled: number }
}

/** Sends lines to Postgres, and settles them. While it is away, and if that fails, they stay in the call log. */
const makeLineSender = ({ write, calls, outage, log, statistics }: SenderDeps) => {
  /** Nobody is left to be told of what Postgres refuses after the answer. */
  const putAside = async (content: LineContent, refusal: unknown): Promise<void> => {
    const place = await calls.setAside(contentBytes(content))
    log.error({ err: refusal, place }, 'the database refused a recorded call, which was set aside')
  }

  const settle = (lines: readonly WaitingLine[], outcome: LineOutcome): void => {
    for (const [at, line] of lines.entries()) {
      const { logged, collection } = line
      const isCall = collection !== undefined
      line.outcome = outcome
      if (outcome === 'away') {
        if ('file' in logged) calls.leave(logged)
        if ('file' in logged && isCall) statistics.spilled++
      } else {
        if (outcome === 'committed' && isCall) statistics.recorded++
        const next = lines[at + 1]?.logged
        const isLastOfFile = !next || !('file' in next) || !('file' in logged) || next.file !== logged.file
        if ('file' in logged && isLastOfFile) calls.drain(logged)
      }
      line.settle?.(outcome)
    }
  }

  const refused = async (lines: readonly WaitingLine[], contents: LineContent[], refusal: unknown): Promise<void> => {
    const [one] = lines
    const [content] = contents
    if (lines.length > 1) {
      for (const [at, line] of lines.entries()) await sendLines([line], contents.slice(at, at + 1))
    } else if (one && content) {
      if ('file' in one.logged && !one.isAwaited) await putAside(content, refusal)
      settle(lines, { refusal })
    }
  }

  const sendLines = async (lines: readonly WaitingLine[], contents: LineContent[]): Promise<void> => {
    try {
      if (outage.isAway) throw new AppError('database_unavailable', 'The database does not answer right now')
      await write(contents)
      settle(lines, 'committed')
    } catch (error) {
      if (isRefused(error)) return refused(lines, contents, error)
      outage.begin(error)
      settle(lines, 'away')
    }
  }

  return async (lines: readonly WaitingLine[]): Promise<void> => {
    const contents = lines.map(contentOfWaiting)
    const taken = lines.filter((_, at) => !contents[at])
    if (taken.length > 0) settle(taken, 'away')
    await sendLines(
      lines.filter((_, at) => contents[at]),
      contents.filter((content) => content !== undefined),
    )
  }
}

/** Decides when waiting lines go to Postgres: a statement with many costs little more than one with a single line. */
interface Gathering {
  /** Resolves when the next statement is due. */
  gathered(): Promise<void>
  /** Notes that a line was added, or that somebody waits for one. */
  note(): void
  /** Nothing is gathered any more. */
  end(): void
}

/** Other processes see a call this much later. A reader of this process does not wait for it. */
const gatherMs = 20

const makeGathering = (waiting: Pick<WaitingLines, 'areDue'>): Gathering => {
  let hasEnded = false
  let due: (() => void) | undefined

  const dueOrLate = (): Promise<void> =>
    new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        due = undefined
        resolve()
      }
      const timer = setTimeout(end, gatherMs)
      due = end
    })

  return {
    async gathered() {
      if (!hasEnded && !waiting.areDue) await dueOrLate()
      await new Promise((resolve) => setImmediate(resolve)) // calls that end in the same turn share the statement
    },
    note() {
      if (due && waiting.areDue) due()
    },
    end() {
      hasEnded = true
      due?.()
    },
  }
}

/** Records ended calls: first in the call log, then in Postgres. Independent of the journal. */
export interface RecordLane {
  /** Resolves with the destination when the call is as durable as the mode asks. Rejects when nothing could take it. */
  record(call: RecordedCall, mode?: CallLogMode): Promise<RecordDestination>
  /**
   * Appends a large request to the call log while its call is under way; `body` is JSON text. Resolves with the id that the
   * record refers to, or with undefined when the disk is full.
   */
  keepRequest(runKey: string, body: Buffer): Promise<string | undefined>
  /** Destination of a call that ended now; `full`: none, so no call should start. */
  readonly now: RecordDestination | 'full'
  /**
   * Resolves once Postgres has every call of these collections recorded so far, without them of all, or does not answer;
   * undefined if it has them.
   */
  settled(collections?: readonly number[]): Promise<void> | undefined
  readonly statistics: RecordStatistics
  close(): Promise<void>
}

/** Timeout of a statement. Its calls then stay in the call log; what it wrote after all is not written twice. */
const usualPatienceMs = 2_000
/** Interval of checks for files of dead processes. */
const lookEveryMs = 30_000

/** No sequential scans and merge joins: a generic plan does not know the number of rows. */
const session = {
  enable_seqscan: 'off',
  enable_mergejoin: 'off',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
}

interface RecordLaneOptions {
  database: Database
  shard: number
  calls: { folder: string; maxBytes: number; mode: CallLogMode }
  log: Logger
  patienceMs?: number
}

type SizedContent = { content: LineContent; size: number }

export const openRecordLane = (options: RecordLaneOptions): RecordLane => {
  const { database, shard, log, patienceMs: timeoutMs = usualPatienceMs } = options
  const { folder, maxBytes, mode: usualMode } = options.calls
  const calls = openCallLog(folder)
  const { url, noteTime, noteFault } = database
  const own = makeOwnConnection({ url, name: 'jetty records', session, timeoutMs, noteTime, noteFault })
  const write = makeCallWriter({ own, queries: database, shard, log })
  const replay = makeReplay({ calls, write: makeCallWriter({ own: database, queries: database, shard, log }), log })
  const closing = new AbortController()
  const outage = makeRecordOutage({ own, log, signal: closing.signal, onEnd: replay.run })
  const statistics = { recorded: 0, spilled: 0 }
  const send = makeLineSender({ write, calls, outage, log, statistics })
  const waiting = makeWaitingLines()
  const gathering = makeGathering(waiting)
  let sending: Promise<void> | undefined

  const sendAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      await gathering.gathered()
      await send(waiting.next())
      waiting.written()
    }
    sending = undefined
  }

  /** Replays files of earlier processes, now and periodically. */
  const looking = (async () => {
    do if (!outage.isAway) await replay.run()
    while (await pause(lookEveryMs, closing.signal))
  })()

  /** Appends all lines, or pieces of one, or none. */
  const append = (lines: Buffer[]): WaitingLine['logged'] => {
    try {
      return calls.append(...lines)
    } catch (error) {
      return { error }
    }
  }

  /** The database is away: the line in the call log is all there is of the call. */
  const spill = async (logged: LogPlace, mode: CallLogMode): Promise<'spilled'> => {
    calls.leave(logged)
    statistics.spilled++
    if (mode !== 'log') await calls.sync(logged)
    return 'spilled'
  }

  /** Adds lines that end at a place to those on their way to Postgres. Returns the last one. */
  const enqueue = (lines: SizedContent[], logged: WaitingLine['logged'], collection?: number): WaitingLine => {
    let one: WaitingLine | undefined
    let after = lines.reduce((sum, { size }) => sum + size, 0)
    for (const [at, { content, size }] of lines.entries()) {
      after -= size
      const place = 'file' in logged ? { file: logged.file, end: logged.end - after } : logged
      const ofCall = at === lines.length - 1 ? collection : undefined
      one = waiting.add({ content, size, logged: place, collection: ofCall })
    }
    sending ??= sendAll()
    gathering.note()
    return one as WaitingLine
  }

  const committed = (one: WaitingLine, mode: CallLogMode): Promise<RecordDestination> =>
    new Promise((resolve, reject) => {
      const { logged } = one
      const settle = (outcome: LineOutcome) => {
        if (outcome === 'committed') return resolve(outcome)
        if (outcome !== 'away') return reject(outcome.refusal)
        if ('error' in logged) return reject(diskError(logged.error, folder))
        if (mode === 'log') return resolve('spilled')
        calls.sync(logged).then(
          () => resolve('spilled'),
          (error) => reject(diskError(error, folder)),
        )
      }
      if (one.outcome) return settle(one.outcome)
      const before = one.settle
      one.isAwaited = true
      one.settle = (outcome) => {
        before?.(outcome)
        settle(outcome)
      }
      gathering.note()
    })

  const isSynced = (logged: LogPlace): Promise<boolean> =>
    calls.sync(logged).then(
      () => true,
      (error) => {
        log.error({ err: error, folder }, 'the call log could not be synced: calls wait for the database')
        return false
      },
    )

  const record = async (call: RecordedCall, mode: CallLogMode): Promise<RecordDestination> => {
    const lines = callLines(call)
    const logged = append(lines)
    const isLogged = 'file' in logged
    if (isLogged && outage.isAway) return spill(logged, mode)
    const sized = lines.map((line) => ({ content: lineJson(line), size: line.length }))
    const one = enqueue(sized, logged, call.collectionId)
    if (mode === 'commit' || !isLogged || waiting.bytes > maxBytes / 2) return committed(one, mode)
    // A disk that fails to sync has lost the line, perhaps: then Postgres must have it.
    if (mode === 'sync' && !(await isSynced(logged))) return committed(one, mode)
    return 'logged'
  }

  return {
    get statistics() {
      return { ...statistics, replayed: replay.replayed, spillBytes: calls.leftBytes }
    },
    get now() {
      if (!outage.isAway && waiting.bytes < maxBytes) return usualMode === 'commit' ? 'committed' : 'logged'
      return outage.isAway && calls.leftBytes < maxBytes ? 'spilled' : 'full'
    },
    record: (call, mode = usualMode) => record(call, mode),
    async keepRequest(runKey, body) {
      const payload = requestPayload(runKey)
      const content = loggedValue(payload, runKey, body)
      const pieces = payloadLine(content)
      const logged = append(pieces)
      if ('error' in logged) return undefined
      const size = pieces.reduce((sum, { length }) => sum + length, 0)
      if (outage.isAway) calls.leave(logged)
      else enqueue([{ content, size }], logged)
      if (usualMode === 'sync') await isSynced(logged)
      return payload
    },
    settled(collections) {
      const last = waiting.last(collections)
      if (last.length === 0) return undefined
      const settling = last.map(
        (line) =>
          new Promise<void>((resolve) => {
            const before = line.settle
            line.settle = (outcome) => {
              before?.(outcome)
              resolve()
            }
          }),
      )
      gathering.note()
      return Promise.all(settling).then(() => {})
    },
    async close() {
      closing.abort()
      gathering.end()
      replay.stop()
      while (sending) await sending
      await looking
      await replay.ended()
      await calls.close()
      await own.close()
    },
  }
}
