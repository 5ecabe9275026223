import type { Queries } from '../../database/database.ts'

/** A label as an action on many runs found it. */
export interface FormerLabel {
  author: string
  value: string
  recorded_by: string | null
}

/** Reads the labels of a key by run, of one author or of all. Runs without such a label are left out. */
export const labelsOfKey = async (
  queries: Queries,
  at: { runKeys: readonly string[]; key: string; author: string | undefined },
): Promise<Map<string, FormerLabel[]>> => {
  const rows = await queries.rows<FormerLabel & { run_id: string }>(
    'labels_of_key',
    `select run_id, author, value, recorded_by from labels
     where run_id = any($1::text[]) and key = $2 and ($3::text is null or author = $3) order by number`,
    [at.runKeys, at.key, at.author ?? null],
  )
  const found = new Map<string, FormerLabel[]>()
  for (const { run_id, ...label } of rows) found.set(run_id, [...(found.get(run_id) ?? []), label])
  return found
}
