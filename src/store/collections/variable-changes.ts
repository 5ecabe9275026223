import type { Queries } from '../database/database.ts'
import { change, moment, query, text } from '../database/table.ts'

/** Names of changed and removed variables. */
interface ChangedVariables {
  set: string[]
  removed: string[]
}

export const variablesChanged = (
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): ChangedVariables => ({
  set: [...after.keys()].filter((name) => before.get(name) !== after.get(name)),
  removed: [...before.keys()].filter((name) => !after.has(name)),
})

const writeChanges = change(
  'note_variables',
  `with gone as (delete from variable_changes where collection_id = $1 and name = any($3))
   insert into variable_changes (collection_id, name, set_by) select $1, n, $4 from unnest($2::text[]) n
   on conflict (collection_id, name) do update set set_at = now(), set_by = excluded.set_by`,
  (collectionId: number, { set, removed }: ChangedVariables, setBy: string) => [collectionId, set, removed, setBy],
)

/** Notes who changed variables; part of the transaction of the change. */
export const noteVariables = async (
  queries: Queries,
  collectionId: number,
  changed: ChangedVariables,
  setBy: string,
): Promise<void> => {
  if (changed.set.length + changed.removed.length > 0) await writeChanges(queries, collectionId, changed, setBy)
}

/** Lists who set the variables of a collection; those set before the server noted it are missing. */
export const variableChanges = query(
  'variable_changes',
  { name: text, set_at: moment, set_by: text },
  'select name, set_at, set_by from variable_changes where collection_id = $1',
  (collectionId: number) => [collectionId],
)

/** Bounds of the search: tasks, bytes of a workflow, and what is found. */
const [mostTasks, mostBytes, mostUses] = [200, 128 * 1024, 2_000]

/**
 * Finds the tasks whose workflow names a variable as `env.NAME`, among those that were changed last. Large workflows
 * are left out.
 */
export const tasksWithVariables = query(
  'tasks_with_variables',
  { variable: text, task: text },
  `select distinct m[1] as variable, t.name as task
   from (select name, definition from tasks where collection_id = $1 order by updated_at desc limit ${mostTasks}) t
     join definitions d on d.hash = t.definition and octet_length(d.workflow) <= ${mostBytes}
       and position('env.' in d.workflow) > 0,
     regexp_matches(d.workflow, '\\menv\\.([A-Za-z_][A-Za-z0-9_]*)', 'g') m
   order by 1, 2 limit ${mostUses}`,
  (collectionId: number) => [collectionId],
)
