import { randomBytes } from 'node:crypto'
import type { Database } from '../database/database.ts'
import { bool, change, query, type Row, text } from '../database/table.ts'

/**
 * CTEs that store a workflow's text under its hash before it is used. A text marked for deletion, because nothing used
 * it for long, is unmarked first, so that the sweep cannot delete it before this transaction ends.
 */
export const keeping = (hash: string, workflow: string): string =>
  `wanted as (
     update definitions set unused_since = null where hash = ${hash} and unused_since is not null returning hash
   ), d as (
     insert into definitions (hash, workflow) select ${hash}, ${workflow} where not exists (select from wanted)
     on conflict do nothing
   )`

/** Stores a workflow's text for at least a day before its first use. */
export const keepDefinition = change(
  'keep_definition',
  `with ${keeping('$1::text', '$2::text')} select`,
  ({ hash, workflow }: { hash: string; workflow: string }) => [hash, workflow],
)

const users = [
  ...['tasks.definition', 'task_versions.definition', 'runs.definition', 'runs.shown_definition'],
  'experiments.definition',
]

/** SQL condition with `limit 1` lookups: whatever the statistics say, the planner then uses the index each time. */
const isUnused = users
  .map((user) => [user, user.split('.')[0]])
  .map(
    ([user, table]) =>
      `(select ${user} from ${table} where ${user} >= d.hash order by 1 limit 1) is distinct from d.hash`,
  )
  .join(' and ')

const lookedAtOnce = 1000
const pagesOfALook = 5

const looked = { hash: text, unused: bool, marked: bool }
const lookAt = query(
  'look_at_definitions',
  looked,
  `select hash, unused_since is not null as marked, ${isUnused} as unused
   from (select hash, unused_since from definitions where hash > $1 order by hash limit $2) d`,
  (after: string) => [after, lookedAtOnce],
)

const markAs = (name: string, since: 'now()' | 'null') =>
  change(
    name,
    `update definitions set unused_since = ${since} where hash in (
       select hash from definitions where hash = any($1) for no key update skip locked)`,
    (hashes: string[]) => [hashes],
  )
const mark = markAs('mark_definitions', 'now()')
const takeMarkOff = markAs('take_mark_off_definitions', 'null')

const remove = query(
  'remove_definitions',
  {},
  `delete from definitions where hash in (
     select hash from definitions d where hash = any($1) and unused_since < now() - $2 * interval '1 day' and ${isUnused}
     for update skip locked)
   returning 1`,
  (hashes: string[], days: number) => [hashes, days],
  (removed) => removed.length,
)

/**
 * Makes the sweep that deletes definitions unused by any task, version or run for some days, and returns their number.
 * It cycles through all definitions, some in each call: the first call that finds one unused marks it, a later one
 * deletes it.
 */
export const makeDefinitionSweep = (database: Database, { days }: { days: number }): (() => Promise<number>) => {
  // A random start, so that frequently restarted processes cover all of them too.
  let after = randomBytes(32).toString('hex')

  const nextPage = async (): Promise<Row<typeof looked>[]> => {
    const page = await lookAt(database, after)
    after = page.length < lookedAtOnce ? '' : (page.at(-1)?.hash ?? '')
    return page
  }

  return async () => {
    if (days === 0) return 0
    let removed = 0
    for (let pages = 0; pages < pagesOfALook; pages++) {
      const page = await nextPage()
      const those = (marked: boolean, unused: boolean) =>
        page.filter((one) => one.marked === marked && one.unused === unused).map(({ hash }) => hash)
      const [fresh, used, old] = [those(false, true), those(true, false), those(true, true)]
      if (fresh.length > 0) await mark(database, fresh)
      if (used.length > 0) await takeMarkOff(database, used)
      if (old.length > 0) removed += await remove(database, old, days)
      if (after === '') break
    }
    return removed
  }
}
