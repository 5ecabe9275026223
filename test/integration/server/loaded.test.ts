// What a server that was built loads.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compiledProgram } from '../../compiled.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { callJetty, killJetties, startJetty } from '../../jetty-process.ts'

const file = (path: string) => new URL(`../../${path}`, import.meta.url).pathname
const token = 'admin-of-what-is-loaded'

let folder: string
let database: TestDatabase
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-loaded-'))
  database = await createTestDatabase()
})
afterAll(async () => {
  await killJetties()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true })
})

test('no package from outside the program, and nothing that makes Node watch every promise', async () => {
  const hooks = ['ends-with-parent.mjs', 'loads.mjs'].flatMap((name) => ['--import', file(name)])
  const env = { DATABASE_URL: database.url, JETTY_DATA_DIR: folder, JETTY_ADMIN_TOKEN: token }
  const jetty = startJetty(env, [process.execPath, ...hooks, compiledProgram('src/bin'), 'serve'])
  const { url } = await jetty.ready
  const workflow = { step_configs: { say: { activity: 'text_echo', text: 'x' } }, steps: ['say'] }
  await callJetty(url, token, 'POST', '/tasks/demo', { name: 'say', workflow })
  expect((await callJetty(url, token, 'POST', '/run-sync/demo/say', {})).status).toBe(200)
  expect(await jetty.stop()).toBe(0)
  const said = jetty
    .stderr()
    .split('\n')
    .find((line) => line.startsWith('{"outside"'))
  // The library of the metrics is loaded after a second, which a slow machine needs for this test; it asks for this one.
  const { outside, entered } = JSON.parse(said ?? '') as { outside: string[]; entered: number }
  expect(outside.filter((name) => name !== '@opentelemetry/api')).toEqual([])
  expect(entered).toBe(0)
})
