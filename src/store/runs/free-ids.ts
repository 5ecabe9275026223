import { newTrajectoryId } from '../../lib/ids.ts'
import type { Queries } from '../database/database.ts'
import { query, text } from '../database/table.ts'

/** Number of ids drawn at once. */
const stockSize = 512
/** Stock level below which the next ids are looked up. */
const fewIds = 128

const takenTrajectoryIds = query(
  'taken_trajectory_ids',
  { trajectory_id: text },
  'select trajectory_id from runs where trajectory_id = any($1::text[])',
  (trajectoryIds: string[]) => [trajectoryIds],
)

/**
 * Supplies trajectory ids to callers that announce an id before they store its run. Ids are checked to be unused ahead
 * of need, hundreds at a time. Nobody waits: with an empty stock, at the start or while the database is away, an
 * unchecked id is drawn.
 */
export const makeFreeIds = (database: Pick<Queries, 'rows'>, draw: () => string = newTrajectoryId) => {
  let stock: string[] = []
  let filling: Promise<void> | undefined

  const fill = async () => {
    const drawn = [...new Set(Array.from({ length: stockSize }, draw))]
    const rows = await takenTrajectoryIds(database, drawn)
    const taken = new Set(rows.map(({ trajectory_id }) => trajectory_id))
    stock = drawn.filter((id) => !taken.has(id))
  }
  const refill = (): Promise<void> => {
    filling ??= fill()
      .catch(() => {}) // the next draw tries again
      .finally(() => {
        filling = undefined
      })
    return filling
  }

  return {
    draw(): string {
      if (stock.length < fewIds) void refill()
      return stock.pop() ?? draw()
    },
    refill,
  }
}
