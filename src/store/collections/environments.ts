import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Database, Queries } from '../database/database.ts'
import { bigint, change, moment, orNull, query, queryOne, text } from '../database/table.ts'
import { environmentSeal } from '../secrets/sealed-texts.ts'

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

/** Variables in the order they were set. A map, since names such as `__proto__` are legal. */
export type EnvironmentVariables = Map<string, string>

const open = (sealer: Pick<Sealer, 'open'>, collectionId: number, sealed: string | undefined): EnvironmentVariables =>
  new Map(
    sealed === undefined ? [] : (JSON.parse(sealer.open(sealed, environmentSeal(collectionId))) as [string, string][]),
  )

const readSealed = queryOne(
  'read_environment',
  { sealed: text },
  'select e.sealed from collections c join environments e on e.id = c.environment_id where c.id = $1',
  (collectionId: number) => [collectionId],
)

/** Reads the variables that a run starting now receives. */
export const readEnvironment = async (
  database: Database,
  sealer: Pick<Sealer, 'open'>,
  collectionId: number,
): Promise<EnvironmentVariables> => {
  return open(sealer, collectionId, (await readSealed(database, collectionId))?.sealed)
}

/**
 * Id of the environment version for a run starting now; null when none was set, undefined when the collection is gone.
 */
export const currentEnvironment = queryOne(
  'current_environment',
  { id: orNull(bigint) },
  'select environment_id as id from collections where id = $1',
  (collectionId: number) => [collectionId],
  (row) => row?.id,
)

const readVersion = queryOne(
  'read_environment_version',
  { sealed: text, collection_id: bigint },
  'select sealed, collection_id from environments where id = $1',
  (environmentId: number) => [environmentId],
)

/** Reads the variables of one version, with which a run continues after a restart. Empty when the version is gone. */
export const readEnvironmentVersion = async (
  database: Database,
  sealer: Sealer,
  environmentId: number | null,
): Promise<EnvironmentVariables> => {
  if (environmentId === null) return new Map()
  const row = await readVersion(database, environmentId)
  return row ? open(sealer, row.collection_id, row.sealed) : new Map()
}

/** Writes a new version and makes it the current one. */
export const writeEnvironment = change(
  'write_environment',
  `with made as (insert into environments (collection_id, sealed) values ($1, $2) returning id)
   update collections set environment_id = (select id from made) where id = $1`,
  (sealer: Sealer, collectionId: number, variables: EnvironmentVariables) => [
    collectionId,
    sealer.seal(JSON.stringify([...variables]), environmentSeal(collectionId)),
  ],
)

const lockEnvironment = queryOne(
  'lock_environment',
  { environment_id: orNull(bigint) },
  'select environment_id from collections where id = $1 for update',
  (collectionId: number) => [collectionId],
)
const readSealedVersion = queryOne(
  'read_sealed_environment',
  { sealed: text },
  'select sealed from environments where id = $1',
  (environmentId: number | null) => [environmentId],
)

/**
 * Changes the environment atomically: writes a new version and makes it current. `change` receives the variables and
 * may throw. `setBy` is noted as the author. Undefined when the collection is gone.
 */
export const changeEnvironment = (
  database: Database,
  sealer: Sealer,
  collectionId: number,
  change: (variables: EnvironmentVariables) => EnvironmentVariables,
  setBy: string,
): Promise<EnvironmentVariables | undefined> =>
  database.transaction(async (queries) => {
    const row = await lockEnvironment(queries, collectionId)
    if (!row) return undefined
    const before = open(sealer, collectionId, (await readSealedVersion(queries, row.environment_id))?.sealed)
    const changed = change(new Map(before))
    await writeEnvironment(queries, sealer, collectionId, changed)
    await noteVariables(queries, collectionId, variablesChanged(before, changed), setBy)
    await removeUnusedEnvironments(queries, collectionId)
    return changed
  })

/**
 * Deletes versions that no open run uses. A version replaced a moment ago stays: a starting run may have read its id
 * and not be visible yet. Without a collection id it covers all; the server calls it periodically.
 */
export const removeUnusedEnvironments = change(
  'remove_unused_environments',
  `delete from environments e where ($1::bigint is null or e.collection_id = $1)
     and exists (select 1 from environments later where later.collection_id = e.collection_id and later.id > e.id
                 and later.created_at < now() - interval '10 minutes')
     and not exists (select 1 from runs r where r.environment_id = e.id and r.ended_at is null)`,
  (collectionId?: number) => [collectionId ?? null],
)

/** Collections whose variables are looked at. */
const mostCollections = 500

const sealedVariables = query(
  'variable_holders',
  { id: bigint, sealed: text },
  `select c.id, e.sealed from (select id, environment_id from collections order by id desc limit ${mostCollections}) c
   join environments e on e.id = c.environment_id`,
)

/** Counts the collections that have a variable, by its name, among the newest. Values are opened and forgotten. */
export const variableHolders = async (queries: Queries, sealer: Sealer): Promise<ReadonlyMap<string, Set<number>>> => {
  const holders = new Map<string, Set<number>>()
  for (const { id, sealed } of await sealedVariables(queries)) {
    for (const [name, value] of open(sealer, id, sealed)) {
      if (value.trim() !== '') holders.set(name, (holders.get(name) ?? new Set()).add(id))
    }
  }
  return holders
}
