import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestServer } from '../server.ts'

/** What changes by itself or by being asked: heartbeats, leases that are pruned, counted calls, and `last_used_at`. */
const restless = ['executors', 'leases', 'call_windows', 'collection_usage', 'schema_migrations']

/** Every row of every table as text, its table in front, and the name of every stored object. */
export const wholeState = async ({ server }: TestServer): Promise<string[]> => {
  const tables = await server.database.query<{ name: string }>(
    `select relname as name from pg_class
     where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> all($1) order by relname`,
    [restless],
  )
  const rows = await server.database.query<{ row: string }>(
    tables
      .map(({ name }) => `select '${name} ' || (to_jsonb(t) - 'last_used_at')::text as row from "${name}" t`)
      .join(' union all '),
  )
  const files = await readdir(join(server.dataDir, 'files'), { recursive: true, withFileTypes: true })
  const objects = files.filter((entry) => entry.isFile()).map((entry) => `object ${entry.name}`)
  return [...rows.map(({ row }) => row), ...objects].sort()
}

/** What is in one state and not in the other. */
export const difference = (before: string[], after: string[]): string[] => {
  const [old, now] = [new Set(before), new Set(after)]
  return [
    ...before.filter((row) => !now.has(row)).map((row) => `gone: ${row}`),
    ...after.filter((row) => !old.has(row)).map((row) => `new: ${row}`),
  ]
}
