import type { Queries } from '../database/database.ts'
import { int, orNull, query, text } from '../database/table.ts'

/**
 * SQL expression: which version of its task a row `r` of runs executes. The newest one with its workflow, of later ones only
 * where no earlier one has it; null when it is gone.
 */
export const versionNumberOf = `(select v.seq from task_versions v where v.task_id = r.task_id and v.definition = r.definition
  order by v.created_at <= r.created_at desc, v.seq desc limit 1)`

const numbersOf = query(
  'version_numbers',
  { id: text, version_number: orNull(int) },
  `select r.id, ${versionNumberOf} as version_number
     from runs r where r.id = any($1::text[])`,
  (runKeys: string[]) => [runKeys],
)

/** Reads which version of its task each run executes. Runs whose version is gone are left out. */
const versionNumbers = async (queries: Queries, runKeys: string[]): Promise<ReadonlyMap<string, number>> => {
  const rows = await numbersOf(queries, runKeys)
  return new Map(rows.flatMap(({ id, version_number }) => (version_number === null ? [] : [[id, version_number]])))
}

/** Returns copies of runs with their version numbers. */
export const withVersionNumbers = async <Run extends { id: string }>(
  queries: Queries,
  runs: Run[],
): Promise<(Run & { version_number: number | null })[]> => {
  const numbers = await versionNumbers(
    queries,
    runs.map(({ id }) => id),
  )
  return runs.map((run) => ({ ...run, version_number: numbers.get(run.id) ?? null }))
}
