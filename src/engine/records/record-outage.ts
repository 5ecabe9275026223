import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import type { OwnConnection } from '../../store/database/own-connection.ts'
import { makeWriteProbe } from '../../store/database/watch.ts'

/** Tracks whether the database answers the statements that record calls. */
export interface RecordOutage {
  readonly isAway: boolean
  /** Notes a failed statement. From then on the outage probes the database until it answers. */
  begin(error: unknown): void
}

const probeEveryMs = 250
const longestPauseMs = 1_000

export const makeRecordOutage = (options: {
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
    for (let wait = probeEveryMs; await pause(wait, signal); wait = Math.min(2 * wait, longestPauseMs)) {
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
