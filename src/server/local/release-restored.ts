/** Lets a restored server do what its backup had to do. */

import { countHeldRuns, releaseHeldRuns } from '../../engine/leases/held-runs.ts'
import { AppError } from '../../lib/errors.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { noteChange } from '../../store/collections/audit.ts'
import { endRestoreHold, readRestoreState } from '../../store/system/restore-state.ts'
import { countHeld, type HeldWork } from '../../store/system/waits.ts'
import { byOperator, withDatabase } from './reach-database.ts'

export interface HeldServer extends HeldWork {
  backup: string
  taken_at: string
  runs: number
  /** Whether it goes on now. */
  released: boolean
}

/** Counts what is held, and lets it go on unless `isDryRun`. Throws `conflict` when nothing is held. */
export const releaseRestored = (settings: Settings, isDryRun: boolean): Promise<HeldServer> =>
  withDatabase(settings, 1, async (database) => {
    const restore = await readRestoreState(database)
    if (restore?.state !== 'held') throw nothingHeld()
    const found = { backup: restore.backup, taken_at: restore.taken_at, ...(await countHeld(database)) }
    if (isDryRun) return { ...found, runs: await countHeldRuns(database), released: false }
    const runs = await releaseHeldRuns(database)
    await database.transaction(async (queries) => {
      await endRestoreHold(queries)
      const target = restore.backup
      await noteChange(
        queries,
        { ...byOperator, operation: 'releaseRestored', target, changes: '' },
        { ...found, runs },
      )
    })
    return { ...found, runs, released: true }
  })

const nothingHeld = (): AppError =>
  new AppError('conflict', 'Nothing is held: this server was not restored from a backup, or it was released before', {
    hint: 'Check JETTY_DATA_DIR and DATABASE_URL.',
  })
