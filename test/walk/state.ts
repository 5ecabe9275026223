import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestServer } from '../server.ts'

/** What changes by itself or by being asked: heartbeats, probes, pruned leases, counted calls, and `last_used_at`. */
const restless = ['executors', 'write_probe', 'leases', 'call_windows', 'collection_usage', 'schema_migrations']

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
  return [...rows.map(({ row }) => row), ...objectsOf(jetty)].sort()
}

const objectsOf = ({ dataDir }: TestServer): string[] => {
  const files = readdirSync(join(dataDir, 'files'), { recursive: true, withFileTypes: true })
  return files.filter((entry) => entry.isFile()).map((entry) => `object ${entry.name}`)
}

const watched = new WeakSet<TestServer>()

/** The change of a row, but of what changes by being asked. */
const trigger = (name: string, row: string): string => {
  const then = 'for each row execute function test_count_change()'
  if (row === 't::text') return `create trigger test_change after insert or update or delete on "${name}" ${then};`
  const [old, now] = ['old', 'new'].map((one) => row.replace('(t)', `(${one})`).replace(/::text$/, ''))
  return `create trigger test_change after insert or delete on "${name}" ${then};
    create trigger test_touch after update on "${name}" for each row when (${old} <> ${now}) execute function test_count_change();`
}

/**
 * Counts in a sequence every change of a row: to read that costs a thousandth of reading all rows. What empties a table
 * counts too.
 */
const watchChanges = async (jetty: TestServer): Promise<void> => {
  const tables = await tablesOf(jetty)
  const triggers = tables.map(({ name, row }) => {
    const emptied = `create trigger test_empty after truncate on "${name}" execute function test_count_change();`
    return `${trigger(name, row)} ${emptied}`
  })
  await jetty.server.database.query(
    `create sequence test_changes;
     create function test_count_change() returns trigger language plpgsql as
       $$ begin perform nextval('public.test_changes'); return null; end $$;
     ${triggers.join('\n')}`,
  )
}

/** A text that is the same as long as the whole state is. */
export const stateSum = async (jetty: TestServer): Promise<string> => {
  if (!watched.has(jetty)) await watchChanges(jetty)
  watched.add(jetty)
  const rows = await jetty.server.database.query<{ sum: string }>(
    `select last_value || ' ' || is_called as sum from test_changes`,
  )
  return [...rows.map(({ sum }) => sum), ...objectsOf(jetty)].sort().join('\n')
}

/** What is in one state and not in the other. */
export const difference = (before: string[], after: string[]): string[] => {
  const [old, now] = [new Set(before), new Set(after)]
  return [
    ...before.filter((row) => !now.has(row)).map((row) => `gone: ${row}`),
    ...after.filter((row) => !old.has(row)).map((row) => `new: ${row}`),
  ]
}
