import type { Database } from '../../database/database.ts'
import { isRefused, makeOwnConnection } from '../../database/own-connection.ts'
import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import type { RecordDestination, RecordedCall } from '../../model/gateway/recorded-call.ts'
import { diskError } from '../../store/objects/disk.ts'
import type { RecordStatistics } from '../engine.ts'
import { makeCallWriter } from './call-writer.ts'
import { openSpill } from './spill.ts'
import { spillLine } from './spill-line.ts'
import { makeReplay } from './spill-replay.ts'

/** Records ended calls: in Postgres, or in a file while that does not answer. Independent of the journal. */
export interface RecordLane {
  /** Resolves with the destination when the call is durable. Rejects when Postgres refuses it, or the disk is full. */
  record(call: RecordedCall): Promise<RecordDestination>
  /** Destination of a call that ended now; `full`: none, so no call should start. */
  readonly now: RecordDestination | 'full'
  readonly statistics: RecordStatistics
  close(): Promise<void>
}

interface Waiting {
  call: RecordedCall
  size: number
  resolve: (recording: RecordDestination) => void
  reject: (reason: unknown) => void
}

/** Timeout of a statement. Its calls then go to the file; what it wrote after all is not written twice. */
const usualPatienceMs = 2_000
/** Maximum bytes waiting for Postgres or the disk before new calls are refused; started ones are still accepted. */
const mostWaitingBytes = 32 * 1024 * 1024
/** Maximum bytes of one statement after its first call, so that it is answered in time. */
const mostBatchBytes = 4 * 1024 * 1024
const probeEveryMs = 250
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

const sizeOf = ({ initParams, step }: RecordedCall): number =>
  1_000 + (initParams.text?.length ?? 0) + step.inputs.length + (step.outputs?.length ?? 0) + (step.error?.length ?? 0)

/** Number of waiting calls that go together. */
const roomFor = (queue: Waiting[]): number => {
  let bytes = 0
  const end = queue.findIndex(({ size }) => {
    bytes += size
    return bytes > mostBatchBytes
  })
  return end === -1 ? queue.length : Math.max(1, end)
}

export const openRecordLane = (options: {
  database: Database
  shard: number
  spill: { folder: string; maxBytes: number }
  log: Logger
  patienceMs?: number
}): RecordLane => {
  const { database, shard, log, patienceMs = usualPatienceMs } = options
  const spill = openSpill(options.spill.folder)
  const own = makeOwnConnection({
    url: database.url,
    name: 'jetty records',
    session,
    timeoutMs: patienceMs,
    noteTime: database.noteTime,
  })
  const writer = makeCallWriter({ own, queries: database, shard, log })
  const replay = makeReplay({ spill, writer: makeCallWriter({ own: database, queries: database, shard, log }), log })
  const closing = new AbortController()
  const statistics = { recorded: 0, spilled: 0 }
  const queue: Waiting[] = []
  let waitingBytes = 0
  let isAway = false
  let sending: Promise<void> | undefined

  const toFile = async ({ call, resolve, reject }: Waiting): Promise<void> => {
    try {
      await spill.append(spillLine(call))
      statistics.spilled++
      resolve('spilled')
    } catch (error) {
      reject(diskError(error, options.spill.folder))
    }
  }

  const send = async (batch: Waiting[]): Promise<void> => {
    try {
      if (isAway) throw new AppError('database_unavailable', 'The database does not answer right now')
      await writer.write(batch.map(({ call }) => call))
      statistics.recorded += batch.length
      for (const { resolve } of batch) resolve('committed')
    } catch (error) {
      if (isRefused(error)) {
        if (batch.length === 1) for (const { reject } of batch) reject(error)
        else for (const one of batch) await send([one])
        return
      }
      lose(error)
      await Promise.all(batch.map(toFile))
    }
  }

  const drain = async (): Promise<void> => {
    await nextTurn() // calls that end in the same turn of the event loop share the first statement
    while (queue.length > 0) {
      const batch = queue.splice(0, isAway ? queue.length : writer.batchOf(roomFor(queue)))
      await send(batch)
      for (const { size } of batch) waitingBytes -= size
    }
    sending = undefined
  }

  const lose = (error: unknown): void => {
    own.drop()
    if (isAway) return
    isAway = true
    log.warn({ err: error }, 'calls are recorded in a file until the database answers')
    void comeBack()
  }

  const comeBack = async (): Promise<void> => {
    while (await pause(probeEveryMs, closing.signal)) {
      try {
        await own.rows('probe', 'select 1')
        isAway = false
        log.info('calls are recorded in the database again')
        return replay.run()
      } catch {
        own.drop()
      }
    }
  }

  /** Replays files of earlier processes, now and periodically. */
  const looking = (async () => {
    do if (!isAway) await replay.run()
    while (await pause(lookEveryMs, closing.signal))
  })()

  return {
    get statistics() {
      return { ...statistics, replayed: replay.replayed, spillBytes: spill.bytes }
    },
    get now() {
      if (!isAway) return waitingBytes <= mostWaitingBytes ? 'committed' : 'full'
      return spill.bytes < options.spill.maxBytes && spill.waitingBytes <= mostWaitingBytes ? 'spilled' : 'full'
    },
    record(call) {
      const size = sizeOf(call)
      return new Promise((resolve, reject) => {
        waitingBytes += size
        queue.push({ call, size, resolve, reject })
        sending ??= drain()
      })
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
