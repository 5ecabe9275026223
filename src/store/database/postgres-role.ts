import pg from 'pg'
import { AppError, messageOf } from '../../lib/errors.ts'
import { postgresUrl, serverPassword, serverRole, serverUrl, socketFolder } from './postgres-folder.ts'

/**
 * Verifies that the Postgres on a port belongs to this folder, and that the server's role exists and owns everything in
 * its database. Usually this needs one connection as that role; only the first start, and the first one after an older
 * version or a restored dump, connect as the superuser.
 */
export const prepareServerRole = async (cluster: string, port: number, password: string): Promise<void> => {
  try {
    const missing = await connected(serverUrl(port, password, socketFolder(cluster, port)), async (client) => {
      await checkFolder(client, cluster)
      return statementsToOwn(client)
    }).catch((error: unknown) => {
      if (isRefusedLogin(error)) return undefined
      throw error
    })
    if (missing?.length === 0) return
    await connected(postgresUrl(port, password), async (client) => {
      await checkFolder(client, cluster)
      await makeRole(client, password)
      for (const statement of await statementsToOwn(client)) await client.query(statement)
    })
  } catch (error) {
    throw new AppError('conflict', `The PostgreSQL of ${cluster} does not accept this server: ${messageOf(error)}`, {
      hint: 'If the file database-password in the data folder was lost or changed, restore it from a backup.',
      cause: error,
    })
  }
}

const connected = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'jetty-start',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

/** 28P01: wrong password or missing role. 42501: no permission to connect. */
const isRefusedLogin = (error: unknown): boolean => ['28P01', '42501'].includes((error as { code?: string }).code ?? '')

const checkFolder = async (client: pg.Client, cluster: string): Promise<void> => {
  // Ordinary roles may not read data_directory; it is only needed when jetty.folder was not set.
  const { rows } = await client.query<{ folder: string | null }>(
    `select coalesce(current_setting('jetty.folder', true),
       (select setting from pg_settings where name = 'data_directory')) as folder`,
  )
  const folder = rows[0]?.folder
  if (folder && folder !== cluster) throw new Error(`it serves ${folder}`)
}

const makeRole = async (client: pg.Client, password: string): Promise<void> => {
  const { rows } = await client.query('select from pg_roles where rolname = $1', [serverRole])
  const secret = client.escapeLiteral(serverPassword(password))
  if (rows.length > 0) return void (await client.query(`alter role ${serverRole} login password ${secret}`))
  await client.query(
    `create role ${serverRole} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password ${secret}`,
  )
  await client.query('revoke connect on database template1 from public')
}

const superuser = 10 // oid of the role that initdb creates, whatever its name

/**
 * Statements that make the server's role the owner of everything the superuser owns in this database, except
 * extensions.
 */
const statementsToOwn = async (client: pg.Client): Promise<string[]> => {
  const ours = (namespace: string) =>
    `(select nspname !~ '^pg_' and nspname <> 'information_schema' from pg_namespace where oid = ${namespace})`
  const free = (catalogue: string, kinds: string) =>
    `not exists (select from pg_depend d where d.classid = '${catalogue}'::regclass and d.objid = o.oid
       and d.deptype in (${kinds}))`
  const { rows } = await client.query<{ statement: string }>(
    `select format('alter %s owner to ${serverRole}', what) as statement from (
       select 1 as place, format('database %I', datname) as what from pg_database o
       where datname = current_database() and datdba = ${superuser}
       union all
       select 2, format('schema %I', nspname) from pg_namespace o
       where nspowner = ${superuser} and ${ours('o.oid')} and ${free('pg_namespace', "'e'")}
       union all
       select 3, format('%s %s', case relkind when 'S' then 'sequence' when 'v' then 'view'
         when 'm' then 'materialized view' when 'f' then 'foreign table' when 'c' then 'type' else 'table' end,
         o.oid::regclass) from pg_class o
       where relowner = ${superuser} and relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c') and ${ours('relnamespace')}
         and (relkind <> 'S' or ${free('pg_class', "'a', 'i'")}) and ${free('pg_class', "'e'")}
       union all
       select 4, format('routine %s', o.oid::regprocedure) from pg_proc o
       where proowner = ${superuser} and ${ours('pronamespace')} and ${free('pg_proc', "'e'")}
       union all
       select 5, format('type %s', o.oid::regtype) from pg_type o
       where typowner = ${superuser} and typtype in ('e', 'd', 'r') and ${ours('typnamespace')}
         and ${free('pg_type', "'e'")}) owned
     order by place`,
  )
  return rows.map(({ statement }) => statement)
}
