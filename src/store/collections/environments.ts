import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Database, Queries } from '../database/database.ts'
import { bigint, change, orNull, query, queryOne, text } from '../database/table.ts'
import { environmentSeal } from '../secrets/sealed-texts.ts'
import { noteVariables, variablesChanged } from './variable-changes.ts'

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
