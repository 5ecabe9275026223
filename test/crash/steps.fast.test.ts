// Steps that were under way when their process was killed: what is safe is done again, and what is not says so.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../jetty-process.ts'
import { letGoOn, waitToGoOn } from '../sandbox-gate.ts'
import type { Body } from '../server.ts'

const token = 'admin-token-of-the-steps-test'
const asked: { path: string; key: string }[] = []
let isOpen = false
let service: Server
let database: TestDatabase
let folder: string

beforeAll(async () => {
  database = await createTestDatabase()
  folder = mkdtempSync(join(tmpdir(), 'jetty-steps-'))
  service = createServer((request, response) => {
    request.resume()
    asked.push({ path: request.url ?? '', key: String(request.headers['idempotency-key']) })
    if (isOpen) response.setHeader('content-type', 'application/json').end('{"ok":true}')
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  await killJetties()
  service?.closeAllConnections()
  service?.close()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

const start = (): JettyProcess =>
  startJetty({
    DATABASE_URL: database.url,
    JETTY_DATA_DIR: folder,
    JETTY_ADMIN_TOKEN: token,
    JETTY_ALLOW_PRIVATE_NETWORK: `127.0.0.1:${(service.address() as AddressInfo).port}`,
    JETTY_TRANSFORM_SECONDS: '600',
    HOME: folder,
  })

it('a GET, a POST with a key, a transform and a script are done again, a POST without a key is not', {
  timeout: 240_000,
}, async () => {
  let jetty = start()
  let { url } = (await jetty.ready) as Body
  const call = (method: string, path: string, body?: unknown) => callJetty(url, token, method, path, body)
  await call('POST', '/collections', { name: 'acme' })
  const at = (path: string) => `http://127.0.0.1:${(service.address() as AddressInfo).port}${path}`
  const slow = '($f := function($x){ $x = 0 ? "done" : $f($x - 1) }; $f(60000))'
  const steps: Record<string, object> = {
    get: { activity: 'http_request', url: at('/get') },
    keyed: { activity: 'http_request', url: at('/keyed'), body: {}, idempotency_key: true },
    post: { activity: 'http_request', url: at('/post'), body: {} },
    transform: { activity: 'transform', expression: slow },
    script: {
      activity: 'script',
      language: 'shell',
      timeout_sec: 600,
      code: `${waitToGoOn}; echo '"done"' > "$JETTY_OUTPUT"`,
    },
  }
  const ids: Record<string, string> = {}
  for (const [name, step] of Object.entries(steps)) {
    const workflow = { step_configs: { before: { activity: 'text_echo', text: 'x' }, step }, steps: ['before', 'step'] }
    await call('POST', '/tasks/acme', { name, workflow })
    const started = await call('POST', `/run/acme/${name}`, {})
    expect(started.status, JSON.stringify(started.body)).toBe(200)
    ids[name] = started.body.trajectory_id
  }
  const get = async (name: string): Promise<Body> =>
    (await call('GET', `/db/trajectory/acme/${name}/${ids[name]}`)).body
  while (asked.length < 3) await pause(20)
  while ((await get('get')).steps.step?.status !== 'running') await pause(20)
  const sandboxes = join(folder, 'sandboxes')
  while (!existsSync(sandboxes) || readdirSync(sandboxes).length === 0) await pause(20)
  jetty.child.kill('SIGKILL')
  await jetty.exited
  isOpen = true
  jetty = start()
  url = ((await jetty.ready) as Body).url

  const ended: Record<string, Body> = {}
  for (const name of Object.keys(steps)) {
    while ((await get(name)).ended === null) {
      letGoOn(folder)
      await pause(50)
    }
    ended[name] = await get(name)
  }
  expect(ended.get).toMatchObject({ status: 'completed', steps: { step: { outputs: { body: { ok: true } } } } })
  expect(ended.keyed).toMatchObject({ status: 'completed' })
  expect(ended.transform).toMatchObject({ status: 'completed', steps: { step: { outputs: { result: 'done' } } } })
  expect(ended.script).toMatchObject({ status: 'completed', steps: { step: { outputs: { result: 'done' } } } })
  expect(ended.post).toMatchObject({ status: 'failed', error: expect.stringContaining('may have been received') })
  const count = (path: string) => asked.filter((one) => one.path === path).length
  expect([count('/get'), count('/keyed'), count('/post')]).toEqual([2, 2, 1])
  expect(new Set(asked.filter(({ path }) => path === '/keyed').map(({ key }) => key)).size).toBe(1)
})
