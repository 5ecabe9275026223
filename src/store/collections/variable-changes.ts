import type { Queries } from '../database/database.ts'

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

/** Notes who changed variables; part of the transaction of the change. */
export const noteVariables = async (
  queries: Queries,
  collectionId: number,
  { set, removed }: ChangedVariables,
  setBy: string,
): Promise<void> => {
  if (set.length === 0 && removed.length === 0) return
  await queries.rows(
    'note_variables',
    `with gone as (delete from variable_changes where collection_id = $1 and name = any($3))
     insert into variable_changes (collection_id, name, set_by) select $1, n, $4 from unnest($2::text[]) n
     on conflict (collection_id, name) do update set set_at = now(), set_by = excluded.set_by`,
    [collectionId, set, removed, setBy],
  )
}

interface VariableChange {
  name: string
  set_at: Date
  set_by: string
}

/** Lists who set the variables of a collection; those set before the server noted it are missing. */
export const variableChanges = (queries: Queries, collectionId: number): Promise<VariableChange[]> =>
  queries.rows('variable_changes', 'select name, set_at, set_by from variable_changes where collection_id = $1', [
    collectionId,
  ])

/** Bounds of the search: tasks, bytes of a workflow, and what is found. */
const [mostTasks, mostBytes, mostUses] = [200, 128 * 1024, 2_000]

/**
 * Finds the tasks whose workflow names a variable as `env.NAME`, among those that were changed last. Large workflows
 * are left out.
 */
export const tasksWithVariables = (
  queries: Queries,
  collectionId: number,
): Promise<{ variable: string; task: string }[]> =>
  queries.rows(
    'tasks_with_variables',
    `select distinct m[1] as variable, t.name as task
     from (select name, definition from tasks where collection_id = $1 order by updated_at desc limit ${mostTasks}) t
       join definitions d on d.hash = t.definition and octet_length(d.workflow) <= ${mostBytes}
         and position('env.' in d.workflow) > 0,
       regexp_matches(d.workflow, '\\menv\\.([A-Za-z_][A-Za-z0-9_]*)', 'g') m
     order by 1, 2 limit ${mostUses}`,
    [collectionId],
  )
