import type { Queries } from '../database/database.ts'

/** What this database is known by beside it, in folders that belong to it; it stays the same in a restored backup. */
export const installationId = async (queries: Queries): Promise<string> => {
  const [row] = await queries.rows<{ value: string }>(
    'installation_id',
    `select value from server where key = 'installation'`,
  )
  return row?.value ?? ''
}
