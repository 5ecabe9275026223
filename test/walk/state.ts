import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestServer } from '../server.ts'

/** What changes by itself or by being asked: heartbeats, leases that are pruned, counted calls, and `last_used_at`. */
const restless = ['executors', 'leases', 'call_windows', 'collection_usage', 'schema_migrations']

const tablesOf = ({ server }: TestServer): Promise<{ name: string; row: string }[]> =>
  server.database.query(
    `select relname as name, case when a.attname is null then 't::text'
       else $$(to_jsonb(t) - 'last_used_at')::text$$ end as row
     from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attname = 'last_used_at'
     where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> all($1) order by relname`,
    [restless],
  )

/** Every row of every table as text, its table in front, and the name of every stored object. */
export const wholeState = async (jetty: TestServer): Promise<string[]> => {
  const tables = await tablesOf(jetty)
  const rows = await jetty.server.database.query<{ row: string }>(
    tables.map(({ name, row }) => `select '${name} ' || ${row} as row from "${name}" t`).join(' union all '),
  )
  return [...rows.map(({ row }) => row), ...(await objectsOf(jetty))].sort()
}

const objectsOf = async ({ dataDir }: TestServer): Promise<string[]> => {
  const files = await readdir(join(dataDir, 'files'), { recursive: true, withFileTypes: true })
  return files.filter((entry) => entry.isFile()).map((entry) => `object ${entry.name}`)
}

const sums = new WeakMap<TestServer, string>()

/** A text that is the same as long as the whole state is: to ask for it costs a fraction of all the rows. */
export const stateSum = async (jetty: TestServer): Promise<string> => {
  const asked = sums.get(jetty) ?? (await tablesOf(jetty)).map(sumOf).join(' union all ')
  sums.set(jetty, asked)
  const rows = await jetty.server.database.rows<{ sum: string }>('test_state_sum', asked)
  return [...rows.map(({ sum }) => sum), ...(await objectsOf(jetty))].sort().join('\n')
}

/**
 * Whatever adds or changes a row leaves one of a newer transaction, and what removes one changes their number. Only where
 * `last_used_at` may change are the rows themselves read: that takes twenty times as long.
 */
const sumOf = ({ name, row }: { name: string; row: string }): string => {
  const sum = row === 't::text' ? 'max(xmin::text::bigint)' : `sum(hashtextextended(${row}, 0))`
  return `select '${name} ' || count(*) || ' ' || coalesce(${sum}, 0) as sum from "${name}" t`
}

/** What is in one state and not in the other. */
export const difference = (before: string[], after: string[]): string[] => {
  const [old, now] = [new Set(before), new Set(after)]
  return [
    ...before.filter((row) => !now.has(row)).map((row) => `gone: ${row}`),
    ...after.filter((row) => !old.has(row)).map((row) => `new: ${row}`),
  ]
}
