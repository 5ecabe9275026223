import type { Queries } from '../../store/database/database.ts'
import { lastDrawn } from '../../store/runs/changes.ts'

/**
 * Reads the id of the last event that a client has received. Ignores an id that this database has not issued: it comes
 * from before a restore of a backup, and a client that resumed from it would miss events until the numbers catch up.
 */
export const lastEventId = async (queries: Queries, header: string | undefined): Promise<number | undefined> => {
  if (header === undefined || !/^\d{1,15}$/.test(header)) return undefined
  return Number(header) <= (await lastDrawn(queries)) ? Number(header) : undefined
}
