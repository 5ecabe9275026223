import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { change, queryOne, text } from '../database/table.ts'

/**
 * What a restored database says of its restore, in `server`. `loading`: it is not complete, and no server starts.
 * `held`: what the backup had to do waits for an operator.
 */
const restoreStateSchema = z.object({
  state: z.enum(['loading', 'held']),
  /** Id of the backup. */
  backup: z.string(),
  /** The moment whose state the backup has. */
  taken_at: z.string(),
})

export type RestoreState = z.output<typeof restoreStateSchema>

const key = 'restore'

/** SQL condition: what was to be done when the backup was taken waits. One look at an index. */
export const isRestoreHeld = `exists (select from server where key = '${key}')`

export const readRestoreState = queryOne(
  'read_restore_state',
  { value: text },
  `select value from server where key = '${key}'`,
  () => [],
  (row) => row && restoreStateSchema.parse(JSON.parse(row.value)),
)

/** Statement that writes the state given as $1, a JSON text. */
export const writeRestoreState = `insert into server (key, value) values ('${key}', $1)
  on conflict (key) do update set value = excluded.value`

/** Lets routines, webhooks and housekeeping go on. */
export const endRestoreHold = change('end_restore_hold', `delete from server where key = '${key}'`)

/** Throws when a restore was interrupted: files are missing, and counters are not set. */
export const refuseUnfinishedRestore = (state: RestoreState | undefined): void => {
  if (state?.state !== 'loading') return
  throw new AppError('conflict', 'The restore of this database was interrupted', {
    hint: 'Run `jetty restore` with the same backup again: it continues where it stopped.',
  })
}
