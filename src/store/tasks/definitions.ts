import { randomBytes } from 'node:crypto'
import type { Database, Queries } from '../database/database.ts'

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
export const keepDefinition = async (
  queries: Pick<Queries, 'rows'>,
  { hash, workflow }: { hash: string; workflow: string },
): Promise<void> => {
  await queries.rows('keep_definition', `with ${keeping('$1::text', '$2::text')} select`, [hash, workflow])
}

const users = ['tasks.definition', 'task_versions.definition', 'runs.definition', 'runs.shown_definition']

/** SQL condition with `limit 1` lookups: whatever the statistics say, the planner then uses the index each time. */
const isUnused = users
  .map((user) => [user, user.split('.')[0]])
  .map(
    ([user, table]) =>
      `(select ${user} from ${table} where ${user} >= d.hash order by 1 limit 1) is distinct from d.hash`,
  )
  .join(' and ')

interface Looked {
  hash: string
  unused: boolean
  marked: boolean
}

const lookedAtOnce = 1000
const pagesOfALook = 5

/**
 * Makes the sweep that deletes definitions unused by any task, version or run for some days, and returns their number.
 * It cycles through all definitions, some in each call: the first call that finds one unused marks it, a later one
 * deletes it.
 */
export const makeDefinitionSweep = (database: Database, { days }: { days: number }): (() => Promise<number>) => {
  // A random start, so that frequently restarted processes cover all of them too.
  let after = randomBytes(32).toString('hex')

  const nextPage = async (): Promise<Looked[]> => {
    const page = await database.rows<Looked>(
      'look_at_definitions',
      `select hash, unused_since is not null as marked, ${isUnused} as unused
       from (select hash, unused_since from definitions where hash > $1 order by hash limit $2) d`,
      [after, lookedAtOnce],
    )
    after = page.length < lookedAtOnce ? '' : (page.at(-1)?.hash ?? '')
    return page
  }

  const mark = async (hashes: string[], since: 'now()' | 'null'): Promise<void> => {
    if (hashes.length === 0) return
    const name = since === 'null' ? 'take_mark_off_definitions' : 'mark_definitions'
    await database.rows(
      name,
      `update definitions set unused_since = ${since} where hash in (
         select hash from definitions where hash = any($1) for no key update skip locked)`,
      [hashes],
    )
  }

  const remove = async (hashes: string[]): Promise<number> => {
    if (hashes.length === 0) return 0
    const removed = await database.rows(
      'remove_definitions',
      `delete from definitions where hash in (
         select hash from definitions d where hash = any($1) and unused_since < now() - $2 * interval '1 day' and ${isUnused}
         for update skip locked)
       returning 1`,
      [hashes, days],
    )
    return removed.length
  }

  return async () => {
    if (days === 0) return 0
    let removed = 0
    for (let pages = 0; pages < pagesOfALook; pages++) {
      const page = await nextPage()
      const those = (marked: boolean, unused: boolean) =>
        page.filter((one) => one.marked === marked && one.unused === unused).map(({ hash }) => hash)
      await mark(those(false, true), 'now()')
      await mark(those(true, false), 'null')
      removed += await remove(those(true, true))
      if (after === '') break
    }
    return removed
  }
}
