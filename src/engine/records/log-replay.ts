import { isDatabaseUnavailable } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { isRefused } from '../../store/database/own-connection.ts'
import type { CallLog } from './call-log.ts'
import type { CallWriter } from './call-writer.ts'
import { checkedJson, currentForm, isCall } from './log-line.ts'

/** Moves calls that are only in files of the call log to Postgres. */
export interface Replay {
  /** Runs until no file is left, the database is away, or it is stopped; the rest waits for the next time. */
  run(): Promise<void>
  readonly replayed: number
  stop(): void
  /** Resolves when no replay is under way. */
  ended(): Promise<void>
}

/** Maximum calls and bytes of one batch. */
const batchCalls = 64
const batchBytes = 4 * 1024 * 1024

export const makeReplay = ({ calls, write, log }: { calls: CallLog; write: CallWriter; log: Logger }): Replay => {
  let replayed = 0
  let stopped = false
  /** Requested during a replay, which may have missed new files. */
  let isWanted = false
  let running: Promise<void> | undefined

  const putAside = async (line: Buffer, file: string, error?: unknown): Promise<void> => {
    const place = await calls.setAside(line)
    log.error({ err: error, file, place }, 'a recorded call could not be replayed and was set aside')
  }

  const bring = async (lines: Buffer[], file: string): Promise<void> => {
    try {
      await write(lines.flatMap(currentForm))
      replayed += lines.filter(isCall).length
    } catch (error) {
      if (!isRefused(error)) throw error
      const [one] = lines
      if (lines.length === 1 && one) return putAside(one, file, error)
      for (const single of lines) await bring([single], file)
    }
  }

  const replayFile = async (file: string): Promise<void> => {
    let batch: Buffer[] = []
    let bytes = 0
    for await (const line of calls.lines(file)) {
      const json = checkedJson(line)
      if (!json) {
        await putAside(line, file)
        continue
      }
      batch.push(json)
      bytes += json.length
      if (batch.length < batchCalls && bytes < batchBytes) continue
      await bring(batch, file)
      if (stopped) return
      batch = []
      bytes = 0
    }
    await bring(batch, file)
    await calls.remove(file)
  }

  const replayAll = async (): Promise<void> => {
    try {
      for (const file of await calls.take()) {
        if (stopped) return
        await replayFile(file)
      }
    } catch (error) {
      if (!isDatabaseUnavailable(error))
        log.error({ err: error }, 'recorded calls wait in files: they could not be replayed')
    }
  }

  return {
    get replayed() {
      return replayed
    },
    run() {
      isWanted = true
      running ??= (async () => {
        while (isWanted && !stopped) {
          isWanted = false
          await replayAll()
        }
        running = undefined
      })()
      return running
    },
    stop() {
      stopped = true
    },
    async ended() {
      await running
    },
  }
}
