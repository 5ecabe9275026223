import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import type { Queries } from './database.ts'

const patience = { firstMs: 30, longestMs: 500 }

/** Queries that wait while Postgres is away instead of failing: for what the engine itself must read or write. */
export const patient = (database: Queries, stopping: AbortSignal): Queries => {
  const insist = async <Row>(ask: () => Promise<Row[]>): Promise<Row[]> => {
    for (let failures = 1; ; failures++) {
      try {
        return await ask()
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'database_unavailable')) throw error
        if (!(await pause(backoffMs(failures, patience), stopping))) throw error
      }
    }
  }
  return {
    rows: (name, text, values) => insist(() => database.rows(name, text, values)),
    query: (text, values) => insist(() => database.query(text, values)),
  }
}
