import type { Queries } from '../../database/database.ts'
import { newTrajectoryId } from '../../lib/ids.ts'

/** A stock of so many; drawn in one go. */
const stockSize = 512
/** With fewer left the next are looked up. */
const fewIds = 128

/**
 * Trajectory ids for those who tell them before they write them down: no run had them when they were looked up, which is
 * for hundreds at a time and ahead of need. Nobody waits: where the stock is empty, because it was never filled or the
 * database is away, an id comes as it is drawn.
 */
export const makeFreeIds = (database: Pick<Queries, 'rows'>, draw: () => string = newTrajectoryId) => {
  let stock: string[] = []
  let filling: Promise<void> | undefined

  const fill = async () => {
    const drawn = [...new Set(Array.from({ length: stockSize }, draw))]
    const rows = await database.rows<{ trajectory_id: string }>(
      'taken_trajectory_ids',
      'select trajectory_id from runs where trajectory_id = any($1::text[])',
      [drawn],
    )
    const taken = new Set(rows.map(({ trajectory_id }) => trajectory_id))
    stock = drawn.filter((id) => !taken.has(id))
  }
  const refill = (): Promise<void> => {
    filling ??= fill()
      .catch(() => {}) // whoever draws next tries again
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
