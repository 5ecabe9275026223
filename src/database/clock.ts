import type { Logger } from '../lib/log.ts'

/**
 * The time by the clock of the database, which all processes share. Between two looks it goes on by the monotonic clock
 * of this machine: its wall clock may be wrong, or be set, and nothing that is recorded or due changes.
 */
export interface DatabaseClock {
  /** Whole milliseconds since 1970. */
  now(): number
  /** How far the clock of this machine is ahead of the database's, in milliseconds. */
  readonly skewMs: number
  /** Whether that is more than JETTY_CLOCK_SKEW_SECONDS. */
  readonly isSkewed: boolean
  /** Takes note of what time it was in the database at some moment between two of `performance.now()`. */
  heard(databaseMs: number, sentMs: number, answeredMs: number): void
}

/** Up to here a correction is jitter of the measurement, and time stands still instead of going back. */
const jitterMs = 1_000

export const makeDatabaseClock = (options: {
  log: Logger
  mostSkewMs: number
  machineClock: () => number
}): DatabaseClock => {
  const { log, mostSkewMs, machineClock } = options
  /** Of the database, when `performance.now()` was 0. */
  let originMs = Number.NaN
  let lastMs = Number.NEGATIVE_INFINITY
  let skewMs = 0
  let isSkewed = false

  const report = () => {
    if (isSkewed === Math.abs(skewMs) > mostSkewMs) return
    isSkewed = !isSkewed
    if (!isSkewed) return log.info({ skew_ms: skewMs }, 'the clock of this machine agrees with the database again')
    const way = skewMs > 0 ? 'ahead of' : 'behind'
    log.error(
      { skew_ms: skewMs },
      `The clock of this machine is ${Math.round(Math.abs(skewMs) / 1000)} s ${way} that of the database. ` +
        'Routines do not fire here until they agree: set both by NTP, or raise JETTY_CLOCK_SKEW_SECONDS.',
    )
  }

  return {
    now() {
      const ms = Math.floor(originMs + performance.now())
      if (ms < lastMs && lastMs - ms < jitterMs) return lastMs
      lastMs = ms
      return ms
    },
    get skewMs() {
      return skewMs
    },
    get isSkewed() {
      return isSkewed
    },
    heard(databaseMs, sentMs, answeredMs) {
      const measuredMs = databaseMs - (sentMs + answeredMs) / 2
      const errorMs = (answeredMs - sentMs) / 2
      if (!(Math.abs(measuredMs - originMs) <= errorMs)) originMs = measuredMs // what fits already is only less exact
      skewMs = Math.round(machineClock() - originMs - performance.now())
      report()
    },
  }
}
