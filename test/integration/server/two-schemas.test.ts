// Two installations in one database, each in a schema of its own.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { migrate } from '../../../src/database/migrate.ts'
import { engineMigrations } from '../../../src/engine/leases/dbos.ts'
import { createDatabase, dropDatabase } from '../../database-server.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../../jetty-process.ts'
import { testPostgres } from '../../shared.ts'

const name = `schemas_${randomBytes(6).toString('hex')}`
const password = randomBytes(12).toString('hex')
const roles: string[] = []
let serverUrl: string
let admin: Database
let folder: string

const urlOf = (role?: string): string => {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  if (role) Object.assign(url, { username: role, password })
  return url.href
}

/** An operator gives an installation a role that works in a schema of its own. */
const makeSchema = async (schema: string): Promise<string> => {
  const role = `${name}_${roles.length}`
  roles.push(role)
  await admin.query(`create role ${role} login password '${password}'`)
  await admin.query(`grant create on database ${name} to ${role}`)
  await admin.query(`create schema "${schema}" authorization ${role}`)
  await admin.query(`alter role ${role} in database ${name} set search_path = "${schema}"`)
  return urlOf(role)
}

const install = async (url: string): Promise<void> => {
  const database = openDatabase(url, { connections: 2 })
  try {
    await migrate(database, engineMigrations(url))
  } finally {
    await database.close()
  }
}

/** What an installation of a version before this one knows of its engine's schema: nothing. */
const forget = async (schema: string): Promise<void> => {
  await admin.query(`delete from "${schema}".schema_migrations where name like 'engine-%'`)
  await admin.query(`delete from "${schema}".server where key = 'engine-schema'`)
}

const engineSchemaOf = async (schema: string) =>
  (await admin.query<{ value: string }>(`select value from "${schema}".server where key = 'engine-schema'`))[0]?.value

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-schemas-'))
  serverUrl = (await testPostgres()).url
  await createDatabase(serverUrl, name)
  admin = openDatabase(urlOf(), { connections: 2 })
})
afterAll(async () => {
  await killJetties()
  await admin.close()
  await dropDatabase(serverUrl, name)
  const server = openDatabase(serverUrl, { connections: 1 })
  for (const role of roles) await server.query(`drop role if exists ${role}`)
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

test('each executes its own runs, and none of the other', async () => {
  const urls = [urlOf(), await makeSchema('second')]
  const start = (at: number): JettyProcess =>
    startJetty({
      DATABASE_URL: urls[at] ?? '',
      JETTY_DATA_DIR: join(folder, String(at)),
      JETTY_ADMIN_TOKEN: tokens[at] ?? '',
    })
  const tokens = urls.map(() => randomBytes(24).toString('base64url'))
  const servers = urls.map((_, at) => start(at))
  const ready = await Promise.all(servers.map((server) => server.ready))
  const call = (at: number, method: string, path: string, body?: object) =>
    callJetty(ready[at].url, tokens[at] ?? '', method, path, body)
  const workflow = { init_params: {}, step_configs: { say: { activity: 'text_echo', text: 'mine' } }, steps: ['say'] }
  for (const at of [0, 1]) {
    await call(at, 'POST', '/collections', { name: 'acme' })
    await call(at, 'POST', '/tasks/acme', { name: 'says', workflow })
  }
  await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const answer = await call(n % 2, 'POST', '/run-sync/acme/says', { init_params: {} })
      expect(answer.body).toMatchObject({ status: 'completed' })
    }),
  )
  expect([await engineSchemaOf('public'), await engineSchemaOf('second')]).toEqual(['dbos', 'second_dbos'])
  for (const schema of ['public', 'second']) {
    const [row] = await admin.query<{ n: number }>(
      `select count(*)::int n from "${schema}".runs where status = 'completed'`,
    )
    expect(row?.n).toBeGreaterThanOrEqual(20)
  }
  await Promise.all(servers.map((server) => server.stop()))
})

test('channels and locks are those of the schema; in public they are as ever', async () => {
  const names = (schema: string) =>
    admin.query(`select "${schema}".channel('runs') as channel, "${schema}".lock_space() as space`)
  expect(await names('public')).toEqual([{ channel: 'runs', space: 7070 }])
  expect(await names('second')).toEqual([{ channel: 'second_runs', space: expect.any(Number) }])
  expect(await names('second')).not.toMatchObject([{ space: 7070 }])
})

test('names of schemas that are too long to be a part of another name do as well', async () => {
  const url = await makeSchema(`long_${'ü'.repeat(29)}`)
  await install(url)
  expect(await engineSchemaOf(`long_${'ü'.repeat(29)}`)).toMatch(/^[0-9a-f]{24}_dbos$/)
})

test('an installation of before keeps the names that it has, and a second one that shares them is refused', async () => {
  await forget('public')
  await install(urlOf())
  expect(await engineSchemaOf('public')).toBe('dbos')
  await forget('second')
  const second = urlOf(roles[0])
  await admin.query(`grant all on schema dbos to ${roles[0]}`)
  await admin.query(`grant all on all tables in schema dbos to ${roles[0]}`)
  await expect(install(second)).rejects.toMatchObject({
    code: 'conflict',
    message: 'The schema dbos belongs to the Jetty installation in the schema public',
  })
})

test('a schema of somebody else, and that of another engine, are not taken', async () => {
  const third = await makeSchema('third')
  await admin.query('create schema third_dbos')
  await expect(install(third)).rejects.toThrow('The schema third_dbos is there already and not open to this role')
  await admin.query(`grant usage on schema third_dbos to ${roles.at(-1)}`)
  await expect(install(third)).rejects.toThrow('is there already and does not belong to this installation')
  await admin.query(`alter role ${roles.at(-1)} in database ${name} set search_path = second_dbos`)
  await admin.query(`grant all on schema second_dbos to ${roles.at(-1)}`)
  await admin.query(`grant all on all tables in schema second_dbos to ${roles.at(-1)}`)
  await expect(install(third)).rejects.toThrow('The schema second_dbos holds the engine tables of another Jetty')
})
