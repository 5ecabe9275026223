import { createHash } from 'node:crypto'
import type pg from 'pg'
import type { ForeignMigration } from '../../database/migrate.ts'
import { AppError } from '../../lib/errors.ts'

/**
 * Several installations may live in one database, each in a schema of its own. What they would share by name, the tables of
 * the engine library, the channels of NOTIFY and the keys of advisory locks, follows from the schema; in `public`, and
 * for an installation of before, the names are the plain ones. Statements use the functions and views made here, so
 * that their text is the same everywhere; Postgres puts the bodies in the place of the calls when it plans.
 */
interface EngineNames {
  workflow: string
  queue: string
  application: string
  version: string
}

const plainSchema = 'dbos'
const longestName = 63 // bytes, of any name in Postgres
const plainLockSpace = 7070

/** A name of this schema's own. */
const ownName = (schema: string, name: string): string => {
  const plain = `${schema}_${name}`
  return Buffer.byteLength(plain) <= longestName ? plain : `${digest(schema).toString('hex').slice(0, 24)}_${name}`
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Chooses the schema of the engine library's tables and makes it this installation's alone. */
export const engineSchemaMigration: ForeignMigration = {
  name: 'engine-schema@1',
  async run(client) {
    const schema = await ownSchema(client)
    const { rows } = await client.query(`select from schema_migrations where name like '@dbos-inc/%'`)
    const isFromBefore = rows.length > 0
    const chosen = isFromBefore || schema === 'public' ? plainSchema : ownName(schema, plainSchema)
    await refuseTaken(client, { schema, chosen, isFromBefore })
    await client.query('begin')
    const quoted = client.escapeIdentifier(chosen)
    if (!isFromBefore) await client.query(`create schema if not exists ${quoted}`)
    await client.query(`create table if not exists ${quoted}.jetty_installation (schema text primary key)`)
    await client.query(`truncate ${quoted}.jetty_installation`)
    await client.query(`insert into ${quoted}.jetty_installation values ($1)`, [schema])
    await client.query(
      `insert into server (key, value) values ('engine-schema', $1) on conflict (key) do update set value = $1`,
      [chosen],
    )
    await client.query('commit')
  },
}

const ownSchema = async (client: pg.Client): Promise<string> => {
  const { rows } = await client.query<{ schema: string }>('select current_schema() as schema')
  return rows[0]?.schema ?? 'public'
}

/** The schema of the engine library's tables, as it was chosen. */
export const readEngineSchema = async (query: (text: string) => Promise<{ value: string }[]>): Promise<string> =>
  (await query(`select value from server where key = 'engine-schema'`))[0]?.value ?? plainSchema

interface Choice {
  schema: string
  chosen: string
  isFromBefore: boolean
}

const refuseTaken = async (client: pg.Client, { schema, chosen, isFromBefore }: Choice): Promise<void> => {
  if (await claimOf(client, schema))
    throw taken(`The schema ${schema} holds the engine tables of another Jetty installation`)
  const { rows } = await client.query<{ open: boolean }>(
    `select has_schema_privilege(oid, 'usage') as open from pg_namespace where nspname = $1`,
    [chosen],
  )
  if (!rows[0]) return
  if (!rows[0].open) throw taken(`The schema ${chosen} is there already and not open to this role`)
  const claim = await claimOf(client, chosen)
  if (claim && claim !== schema && (await hasTable(client, claim, 'schema_migrations')))
    throw taken(`The schema ${chosen} belongs to the Jetty installation in the schema ${claim}`)
  if (!claim && !isFromBefore)
    throw taken(`The schema ${chosen} is there already and does not belong to this installation`)
}

const claimOf = async (client: pg.Client, schema: string): Promise<string | undefined> => {
  if (!(await hasTable(client, schema, 'jetty_installation'))) return undefined
  const table = `${client.escapeIdentifier(schema)}.jetty_installation`
  return (await client.query<{ schema: string }>(`select schema from ${table}`)).rows[0]?.schema
}

/** Asked of the catalogue, which every role may read. */
const hasTable = async (client: pg.Client, schema: string, table: string): Promise<boolean> =>
  (
    await client.query(
      `select from pg_class c join pg_namespace n on n.oid = c.relnamespace where nspname = $1 and relname = $2`,
      [schema, table],
    )
  ).rows.length > 0

const taken = (message: string): AppError =>
  new AppError('conflict', message, {
    hint:
      'Two installations that share these tables would take runs from each other. Give this one a database of its own, ' +
      'or a schema of its own by a role with `alter role … set search_path = other`.',
  })

/** Only the columns in use: a view depends on the types of its columns, and the library may change its tables. */
const statusColumns =
  'workflow_uuid, name, status, queue_name, executor_id, owner_xid, started_at_epoch_ms, created_at, updated_at'

/** Creates the functions and views by which statements reach objects that are named after the schema. */
export const engineNamesMigration = (names: EngineNames): ForeignMigration => ({
  name: 'engine-names@3',
  async run(client) {
    const schema = await ownSchema(client)
    const engine = await readEngineSchema(async (text) => (await client.query<{ value: string }>(text)).rows)
    const isPlain = engine === plainSchema
    const quoted = client.escapeIdentifier(engine)
    const text = (value: string) => client.escapeLiteral(value)
    const space = isPlain ? plainLockSpace : digest(schema).readUInt32BE() & 0x7fffffff
    // Cut from the longest name, so that one prefix fits all channels; a schema that is too long is its digest there.
    const prefix = isPlain ? '' : ownName(schema, 'longest_channel').slice(0, -'longest_channel'.length)
    await client.query(
      `create or replace function channel(name text) returns text language sql immutable as
         $body$ select ${text(prefix)} || name $body$;
       create or replace function lock_space() returns int language sql immutable as $body$ select ${space} $body$;
       create or replace view lease_status as select ${statusColumns} from ${quoted}.workflow_status;
       create or replace view lease_outputs as select workflow_uuid from ${quoted}.operation_outputs;
       create or replace function enqueue_lease(id text) returns text language sql as
         $body$ select ${quoted}.enqueue_workflow(${text(names.workflow)}, ${text(names.queue)},
           array[to_json(id)], workflow_id => id, app_version => ${text(names.version)},
           application_name => ${text(names.application)}) $body$;
       -- A queue for each set of labels that runs ask of a server process; null: the queue that all processes poll.
       create or replace function lease_queue(placement text) returns text language sql immutable as
         $body$ select coalesce(${text(`${names.queue}:`)} || placement, ${text(names.queue)}) $body$;
       -- Collections take turns (start-time fair queueing): a lease comes one turn after the last of its collection that
       -- waits; a collection that has none waiting gets the turn that is next. Each look is the first entry of an index.
       create or replace function enqueue_lease(id text, collection text, placement text) returns text language sql as
         $body$ select ${quoted}.enqueue_workflow(${text(names.workflow)}, lease_queue(placement),
           array[to_json(id)], workflow_id => id, app_version => ${text(names.version)},
           application_name => ${text(names.application)}, queue_partition_key => collection, priority => greatest(
             coalesce((select min(w.priority) from ${quoted}.workflow_status w
               where w.queue_name = lease_queue(placement) and w.status = 'ENQUEUED'), 0),
             coalesce((select max(w.priority) + 1 from ${quoted}.workflow_status w
               where w.queue_name = lease_queue(placement) and w.status = 'ENQUEUED'
                 and w.queue_partition_key = collection), 0))) $body$;
       create or replace function enqueue_lease(id text, collection text) returns text language sql as
         $body$ select enqueue_lease(id, collection, null) $body$`,
    )
  },
})
