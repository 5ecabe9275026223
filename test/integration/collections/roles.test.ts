import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { openDatabase } from '../../../src/store/database/database.ts'
import { findPostgres, stopPostgres } from '../../../src/store/database/postgres-process.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { callJetty, killJetties, startJetty } from '../../jetty-process.ts'
import type { Body } from '../../server.ts'
import { testPostgres } from '../../shared.ts'

const token = 'admin-token-of-the-roles-test'
const longTestMs = 180_000
let dataDir: string
let env: Record<string, string>

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'jetty-roles-'))
  env = { JETTY_DATA_DIR: dataDir, JETTY_ADMIN_TOKEN: token, HOME: dataDir }
})
afterEach(async () => {
  await killJetties()
  const postgres = findPostgres(dataDir)?.pid
  if (postgres) await stopPostgres(postgres)
  rmSync(dataDir, { recursive: true, force: true })
})

const ended = async (url: string, path: string): Promise<Body> => {
  for (let tries = 0; tries < 2000; tries++) {
    const { body } = await callJetty(url, token, 'GET', `/db/trajectory/${path}`)
    if (body.ended) return body
    await pause(25)
  }
  throw new Error(`${path} did not end`)
}

describe('processes on one database', () => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await createTestDatabase()
  })
  afterEach(() => database?.drop())

  test(
    'what is posted to an api process is executed by a worker, also when the worker comes later',
    async () => {
      const api = startJetty({ ...env, DATABASE_URL: database.url, JETTY_ROLE: 'api' })
      const { url, role } = await api.ready
      expect(role).toBe('api')
      await callJetty(url, token, 'POST', '/collections', { name: 'acme' })
      const workflow = {
        step_configs: {
          read: { activity: 'read_uploaded_file' },
          save: { activity: 'save_text_file', text_path: 'read.outputs.content', filename: 'copy.txt' },
          use: { activity: 'text_template', template: '{{key}}!', key_path: 'env.WORD' },
        },
        steps: ['read', 'save', 'use'],
      }
      await callJetty(url, token, 'POST', '/tasks/acme', { name: 'far', workflow })
      const form = new FormData()
      form.append('secret_params', '{"WORD":"abc"}')
      form.append('files', new Blob(['from the api']), 'in.txt')
      const headers = { authorization: `Bearer ${token}` }
      const answer = await fetch(`${url}/api/v1/run/acme/far`, { method: 'POST', headers, body: form })
      const { trajectory_id: id } = (await answer.json()) as Body
      await pause(300)
      expect((await callJetty(url, token, 'GET', `/db/trajectory/acme/far/${id}`)).body).toMatchObject({
        status: 'pending',
        steps: {},
        started: null,
      })

      const worker = startJetty({ ...env, DATABASE_URL: database.url, JETTY_ROLE: 'worker' })
      expect(await worker.ready).toMatchObject({ role: 'worker', url: null, token_path: null })
      const done = await ended(url, `acme/far/${id}`)
      expect([done.status, done.steps.use.outputs.text]).toEqual(['completed', 'abc!'])
      const file = await fetch(`${url}/api/v1/file/${done.steps.save.outputs.path}`, { headers })
      expect(await file.text()).toBe('from the api')

      const sync = await callJetty(url, token, 'POST', '/run-sync/demo/hello', { init_params: { name: 'you' } })
      expect([sync.status, sync.body.result]).toEqual([200, { text: 'Hello, you!' }])

      const long = (await callJetty(url, token, 'POST', '/run/demo/patience', {})).body.trajectory_id
      while (!(await callJetty(url, token, 'GET', `/db/trajectory/demo/patience/${long}`)).body.steps.nap)
        await pause(25)
      await callJetty(url, token, 'POST', '/trajectory/demo/patience/statuses', { [long]: 'cancelled' })
      expect((await ended(url, `demo/patience/${long}`)).status).toBe('cancelled')
      expect([await worker.stop(), await api.stop()]).toEqual([0, 0])
    },
    longTestMs,
  )

  test(
    'another encryption key than the one the database was used with is refused',
    async () => {
      const first = startJetty({ ...env, DATABASE_URL: database.url })
      await first.ready
      const key = randomBytes(32).toString('base64')
      const second = startJetty({ ...env, DATABASE_URL: database.url, JETTY_SECRET_KEY: key })
      expect((await second.exited).code).toBe(2)
      expect(second.stderr()).toMatch(
        /^jetty: The secrets in this database were encrypted with another key\n.*JETTY_SECRET_KEY/,
      )
      expect(second.stderr()).not.toContain(key)
      expect(await first.stop()).toBe(0)
    },
    longTestMs,
  )
})

test(
  'three processes that start at once on an empty database agree on everything',
  async () => {
    const name = `roles_${randomBytes(6).toString('hex')}`
    const { url: serverUrl } = await testPostgres()
    const admin = openDatabase(serverUrl, { connections: 1 })
    await admin.query(`create database ${name}`)
    const own = new URL(serverUrl)
    own.pathname = `/${name}`
    try {
      const all = ['all', 'all', 'worker'].map((role) =>
        startJetty({ ...env, DATABASE_URL: own.href, JETTY_ROLE: role }),
      )
      const lines = await Promise.all(all.map((one) => one.ready))
      expect(lines.filter((line) => line.token_path !== null)).toHaveLength(1)
      const [first, second] = lines.map((line) => line.url)
      for (const url of [first, second]) {
        const collections = await callJetty(url, token, 'GET', '/collections')
        expect(collections.body.map((one: Body) => one.name)).toEqual(['demo'])
        expect((await callJetty(url, token, 'GET', '/tasks/demo')).body).toHaveLength(4)
      }
      const runs = await Promise.all(
        Array.from({ length: 60 }, (_, at) =>
          callJetty(at % 2 ? first : second, token, 'POST', '/run-sync/demo/hello', { init_params: { name: `${at}` } }),
        ),
      )
      expect(runs.map(({ body }) => body.result.text)).toEqual(Array.from({ length: 60 }, (_, at) => `Hello, ${at}!`))
      expect((await callJetty(second, token, 'GET', '/db/trajectories/demo/hello')).body.total).toBe(61)
      expect(await Promise.all(all.map((one) => one.stop()))).toEqual([0, 0, 0])
    } finally {
      await killJetties()
      await admin.query(`drop database ${name} with (force)`)
      await admin.close()
    }
  },
  longTestMs,
)

test(
  'two servers that start at once on one data folder: one runs, the other is refused',
  async () => {
    const both = [startJetty(env), startJetty(env)]
    const outcomes = await Promise.all(
      both.map((one) =>
        one.ready.then(
          () => 'ready',
          () => one.exited.then(({ code }) => code),
        ),
      ),
    )
    expect(outcomes.map(String).sort()).toEqual(['1', 'ready'])
    const refused = both[outcomes.indexOf(1)]
    expect(refused?.stderr()).toMatch(/^jetty: Another server \(process \d+\) is using the data folder/m)
    const winner = both[outcomes.indexOf('ready')]
    const { url } = (await winner?.ready) ?? {}
    expect((await callJetty(url, token, 'GET', '/tasks/demo')).body).toHaveLength(4)
    expect(await winner?.stop()).toBe(0)
  },
  longTestMs,
)
