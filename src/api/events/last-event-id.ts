import type { Queries } from '../../database/database.ts'
import { lastDrawn } from '../../store/runs/changes.ts'

/**
 * The id of the last event a client has had, if it sent one of ours. One that was never given out is none: it comes from
 * before a backup was put back, and whoever went on after it would miss all until the numbers have caught up.
 */
export const lastEventId = async (queries: Queries, header: string | undefined): Promise<number | undefined> => {
  if (header === undefined || !/^\d{1,15}$/.test(header)) return undefined
  return Number(header) <= (await lastDrawn(queries)) ? Number(header) : undefined
}
