import type { Database } from '../../database/database.ts'
import { isRefused, makeOwnConnection } from '../../database/own-connection.ts'
import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import type { CallLogMode, RecordDestination, RecordedCall } from '../../model/gateway/recorded-call.ts'
import { diskError } from '../../store/objects/disk.ts'
import type { RecordStatistics } from '../engine.ts'
import { type CallLog, type LogPlace, openCallLog } from './call-log.ts'
import { type CallWriter, makeCallWriter } from './call-writer.ts'
import { callLine } from './log-line.ts'
import { makeReplay } from './log-replay.ts'
import { makeRecordOutage, type RecordOutage } from './record-outage.ts'
import { makeWaitingCalls, type WaitingCall } from './waiting-calls.ts'

/** Records ended calls: first in the call log, then in Postgres. Independent of the journal. */
export interface RecordLane {
  /** Resolves with the destination when the call is as durable as the mode asks. Rejects when nothing could take it. */
  record(call: RecordedCall, mode?: CallLogMode): Promise<RecordDestination>
  /** Destination of a call that ended now; `full`: none, so no call should start. */
  readonly now: RecordDestination | 'full'
  /** Resolves once Postgres has every call recorded so far, or does not answer; undefined if it has them. */
  settled(): Promise<void> | undefined
  readonly statistics: RecordStatistics
  close(): Promise<void>
}

/** Timeout of a statement. Its calls then stay in the call log; what it wrote after all is not written twice. */
const usualPatienceMs = 2_000
/** Maximum bytes waiting for Postgres before new calls are refused; started ones are still accepted. */
const mostWaitingBytes = 32 * 1024 * 1024
/** Bytes waiting for Postgres above which calls wait for their commit, so that they come no faster than it takes them. */
const pressingBytes = 8 * 1024 * 1024
/** Interval of checks for files of dead processes. */
const lookEveryMs = 30_000

/** No sequential scans and merge joins: a generic plan does not know the number of rows. */
const session = {
  enable_seqscan: 'off',
  enable_mergejoin: 'off',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Sends ended calls to the database. During an outage, and if that fails, they stay in the call log. */
const makeCallSender = (deps: {
  writer: CallWriter
  calls: CallLog
  outage: RecordOutage
  statistics: { recorded: number }
}) => {
  const { writer, calls, outage, statistics } = deps

  const committed = ({ logged, settle }: WaitingCall): void => {
    if ('file' in logged) calls.drain(logged)
    settle('committed')
  }

  const send = async (batch: WaitingCall[]): Promise<void> => {
    try {
      if (outage.isAway) throw new AppError('database_unavailable', 'The database does not answer right now')
      await writer.write(batch.map(({ call }) => call))
      statistics.recorded += batch.length
      batch.forEach(committed)
    } catch (error) {
      if (isRefused(error)) {
        if (batch.length > 1) for (const one of batch) await send([one])
        else for (const { settle } of batch) settle({ refusal: error })
        return
      }
      outage.begin(error)
      for (const { settle } of batch) settle('away')
    }
  }
  return send
}

interface RecordLaneOptions {
  database: Database
  shard: number
  calls: { folder: string; maxBytes: number; mode: CallLogMode }
  log: Logger
  patienceMs?: number
}

export const openRecordLane = (options: RecordLaneOptions): RecordLane => {
  const { database, shard, log, patienceMs: timeoutMs = usualPatienceMs } = options
  const { folder, maxBytes, mode: usualMode } = options.calls
  const calls = openCallLog(folder)
  const { url, noteTime } = database
  const own = makeOwnConnection({ url, name: 'jetty records', session, timeoutMs, noteTime })
  const writer = makeCallWriter({ own, queries: database, shard, log })
  const replay = makeReplay({ calls, writer: makeCallWriter({ own: database, queries: database, shard, log }), log })
  const closing = new AbortController()
  const outage = makeRecordOutage({ own, log, signal: closing.signal, onEnd: replay.run })
  const statistics = { recorded: 0, spilled: 0 }
  const send = makeCallSender({ writer, calls, outage, statistics })
  const waiting = makeWaitingCalls()
  let sending: Promise<void> | undefined
  /** The last call that was recorded. Calls are settled in their order. */
  let last: Promise<unknown> | undefined

  const sendAll = async (): Promise<void> => {
    await nextTurn() // calls that end in the same turn of the event loop share the first statement
    while (waiting.length > 0) {
      const batch = waiting.next(outage.isAway ? waiting.length : writer.batchOf(waiting.inOneStatement()))
      await send(batch)
      waiting.written(batch)
    }
    sending = undefined
  }

  /** Replays files of earlier processes, now and periodically. */
  const looking = (async () => {
    do if (!outage.isAway) await replay.run()
    while (await pause(lookEveryMs, closing.signal))
  })()

  const append = (line: Buffer): WaitingCall['logged'] => {
    try {
      return calls.append(line)
    } catch (error) {
      return { error }
    }
  }

  /** The database is away: the line in the call log is all there is of the call. */
  const spill = async (logged: LogPlace, mode: CallLogMode): Promise<'spilled'> => {
    calls.leave(logged)
    statistics.spilled++
    if (mode !== 'log') await logged.file.sync()
    return 'spilled'
  }

  /** Nobody waits for a call that was answered before Postgres refused it. */
  const putAside = async (logged: LogPlace, line: Buffer, refusal: unknown): Promise<void> => {
    const place = await calls.setAside(line.subarray(0, -1))
    calls.drain(logged)
    log.error({ err: refusal, place }, 'the database refused a recorded call, which was set aside')
  }

  const record = async (call: RecordedCall, mode: CallLogMode): Promise<RecordDestination> => {
    const line = callLine(call)
    const logged = append(line)
    const isLogged = 'file' in logged
    if (isLogged && outage.isAway) return spill(logged, mode)
    const waits = mode === 'commit' || !isLogged || waiting.bytes > pressingBytes
    const committed = new Promise<RecordDestination>((resolve, reject) => {
      waiting.add({
        call,
        logged,
        settle(outcome) {
          if (outcome === 'committed') return resolve(outcome)
          if (outcome === 'away')
            return isLogged ? resolve(spill(logged, mode)) : reject(diskError(logged.error, folder))
          if (isLogged && !waits) return resolve(putAside(logged, line, outcome.refusal).then(() => 'logged'))
          if (isLogged) calls.drain(logged)
          reject(outcome.refusal)
        },
      })
    })
    sending ??= sendAll()
    last = committed.catch((error: unknown) => {
      if (!waits) log.error({ err: error }, 'a recorded call stays in the call log')
    })
    if (waits) return committed
    if (mode === 'sync' && isLogged) await logged.file.sync()
    return 'logged'
  }

  return {
    get statistics() {
      return { ...statistics, replayed: replay.replayed, spillBytes: calls.leftBytes }
    },
    get now() {
      if (!outage.isAway && waiting.bytes <= mostWaitingBytes) return usualMode === 'commit' ? 'committed' : 'logged'
      return outage.isAway && calls.leftBytes < maxBytes ? 'spilled' : 'full'
    },
    record: (call, mode = usualMode) => record(call, mode),
    settled: () => (sending ? last?.then(() => {}) : undefined),
    async close() {
      closing.abort()
      replay.stop()
      while (sending) await sending
      await looking
      await replay.ended()
      await calls.close()
      await own.close()
    },
  }
}
