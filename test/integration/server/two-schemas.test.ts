// Two installations in one database, each in a schema of its own.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { migrate } from '../../../src/store/database/migrate.ts'
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
    await migrate(database)
  } finally {
    await database.close()
  }
}

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

test('a schema whose name is too long to be a part of another name is known by its digest', async () => {
  const schema = `long_${'ü'.repeat(29)}`
  await install(await makeSchema(schema))
  const [named] = await admin.query<{ channel: string }>(`select "${schema}".channel('runs') as channel`)
  expect(named?.channel).toMatch(/^[0-9a-f]{24}_runs$/)
})
