import type { Database } from '../../database/database.ts'
import { isRefused, makeOwnConnection } from '../../database/own-connection.ts'
import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import type { RecordDestination, RecordedCall } from '../../model/gateway/recorded-call.ts'
import { diskError } from '../../store/objects/disk.ts'
import type { RecordStatistics } from '../engine.ts'
import { type CallWriter, makeCallWriter } from './call-writer.ts'
import { makeRecordOutage, type RecordOutage } from './record-outage.ts'
import { openSpill, type Spill } from './spill.ts'
import { spillLine } from './spill-line.ts'
import { makeReplay } from './spill-replay.ts'
import { makeWaitingCalls, type WaitingCall } from './waiting-calls.ts'

/** Records ended calls: in Postgres, or in a file while that does not answer. Independent of the journal. */
export interface RecordLane {
  /** Resolves with the destination when the call is durable. Rejects when Postgres refuses it, or the disk is full. */
  record(call: RecordedCall): Promise<RecordDestination>
  /** Destination of a call that ended now; `full`: none, so no call should start. */
  readonly now: RecordDestination | 'full'
  readonly statistics: RecordStatistics
  close(): Promise<void>
}

/** Timeout of a statement. Its calls then go to the file; what it wrote after all is not written twice. */
const usualPatienceMs = 2_000
/** Maximum bytes waiting for Postgres or the disk before new calls are refused; started ones are still accepted. */
const mostWaitingBytes = 32 * 1024 * 1024
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

/** Sends ended calls to the database; during an outage, and if that fails, to the file. */
const makeCallSender = (deps: {
  writer: CallWriter
  spill: Spill
  folder: string
  outage: RecordOutage
  statistics: { recorded: number; spilled: number }
}) => {
  const { writer, spill, outage, statistics } = deps

  const toFile = async ({ call, resolve, reject }: WaitingCall): Promise<void> => {
    try {
      await spill.append(spillLine(call))
      statistics.spilled++
      resolve('spilled')
    } catch (error) {
      reject(diskError(error, deps.folder))
    }
  }

  const send = async (batch: WaitingCall[]): Promise<void> => {
    try {
      if (outage.isAway) throw new AppError('database_unavailable', 'The database does not answer right now')
      await writer.write(batch.map(({ call }) => call))
      statistics.recorded += batch.length
      for (const { resolve } of batch) resolve('committed')
    } catch (error) {
      if (isRefused(error)) {
        if (batch.length === 1) for (const { reject } of batch) reject(error)
        else for (const one of batch) await send([one])
        return
      }
      outage.begin(error)
      await Promise.all(batch.map(toFile))
    }
  }
  return send
}

interface RecordLaneOptions {
  database: Database
  shard: number
  spill: { folder: string; maxBytes: number }
  log: Logger
  patienceMs?: number
}

export const openRecordLane = (options: RecordLaneOptions): RecordLane => {
  const { database, shard, log, patienceMs: timeoutMs = usualPatienceMs } = options
  const { folder, maxBytes } = options.spill
  const spill = openSpill(folder)
  const { url, noteTime } = database
  const own = makeOwnConnection({ url, name: 'jetty records', session, timeoutMs, noteTime })
  const writer = makeCallWriter({ own, queries: database, shard, log })
  const replay = makeReplay({ spill, writer: makeCallWriter({ own: database, queries: database, shard, log }), log })
  const closing = new AbortController()
  const outage = makeRecordOutage({ own, log, signal: closing.signal, onEnd: replay.run })
  const statistics = { recorded: 0, spilled: 0 }
  const send = makeCallSender({ writer, spill, folder, outage, statistics })
  const waiting = makeWaitingCalls()
  let sending: Promise<void> | undefined

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

  return {
    get statistics() {
      return { ...statistics, replayed: replay.replayed, spillBytes: spill.bytes }
    },
    get now() {
      if (!outage.isAway) return waiting.bytes <= mostWaitingBytes ? 'committed' : 'full'
      return spill.bytes < maxBytes && spill.waitingBytes <= mostWaitingBytes ? 'spilled' : 'full'
    },
    record(call) {
      const recorded = waiting.add(call)
      sending ??= sendAll()
      return recorded
    },
    async close() {
      closing.abort()
      replay.stop()
      while (sending) await sending
      await looking
      await replay.ended()
      await spill.close()
      await own.close()
    },
  }
}
