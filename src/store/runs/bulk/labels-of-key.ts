import { orNull, query, type Row, text } from '../../database/table.ts'

/** A label as an action on many runs found it. */
const formerLabel = { author: text, value: text, recorded_by: orNull(text) }
export type FormerLabel = Row<typeof formerLabel>

const findLabels = query(
  'labels_of_key',
  { run_id: text, ...formerLabel },
  `select run_id, author, value, recorded_by from labels
     where run_id = any($1::text[]) and key = $2 and ($3::text is null or author = $3) order by number`,
  (at: { runKeys: readonly string[]; key: string; author: string | undefined }) => [
    ...[at.runKeys, at.key, at.author ?? null],
  ],
)

/** Reads the labels of a key by run, of one author or of all. Runs without such a label are left out. */
export const labelsOfKey = async (...given: Parameters<typeof findLabels>): Promise<Map<string, FormerLabel[]>> => {
  const found = new Map<string, FormerLabel[]>()
  for (const { run_id, ...label } of await findLabels(...given))
    found.set(run_id, [...(found.get(run_id) ?? []), label])
  return found
}
