import type { Logger } from '../../lib/log.ts'

/**
 * The database's time, shared by all processes. Between measurements it advances with the monotonic clock of this host,
 * so a wrong or adjusted wall clock has no effect on anything recorded or due.
 */
export interface DatabaseClock {
  /** Whole milliseconds since 1970. */
  now(): number
  /** How far this host's clock is ahead of the database's, in milliseconds. */
  readonly skewMs: number
  /** True if the skew exceeds JETTY_CLOCK_SKEW_SECONDS. */
  readonly isSkewed: boolean
  /** Records a measurement: the database's time at some moment between two values of `performance.now()`. */
  heard(databaseMs: number, sentMs: number, answeredMs: number): void
}

/** Smaller corrections are measurement jitter: time stands still instead of going back. */
const jitterMs = 1_000

export const makeDatabaseClock = (options: {
  log: Logger
  mostSkewMs: number
  machineClock: () => number
}): DatabaseClock => {
  const { log, mostSkewMs, machineClock } = options
  /** Database time when `performance.now()` was 0. */
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
      `The clock of this machine is ${Math.round(Math.abs(skewMs) / 1000)} s ${way} the clock of the database. ` +
        'Routines do not fire here until the clocks agree: synchronise both by NTP, or raise JETTY_CLOCK_SKEW_SECONDS.',
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
      // a value that fits already is only less exact
      if (!(Math.abs(measuredMs - originMs) <= errorMs)) originMs = measuredMs
      skewMs = Math.round(machineClock() - originMs - performance.now())
      report()
    },
  }
}
