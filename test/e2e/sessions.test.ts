// Sessions of a browser with a server that is a process of its own: how they begin, last and end.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Request } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type JettyProcess, killJetties, startJetty } from '../jetty-process.ts'
import type { Body } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { evaluate, expectSound, newVisitor, type Visitor } from './pages.ts'

const execute = promisify(execFile)
const adminToken = 'admin-token-of-the-session-tests-4f1b'
const home = mkdtempSync(join(tmpdir(), 'jetty-sessions-'))
let database: TestDatabase
let jetty: JettyProcess
let url = ''
let link = ''
let visitor: Visitor

/** A port that is free now: the server keeps it over a restart, and cookies are named after it. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

const start = async (port: number): Promise<Body> => {
  const endsWithParent = fileURLToPath(new URL('../ends-with-parent.mjs', import.meta.url))
  const env = {
    HOME: home,
    DATABASE_URL: database.url,
    JETTY_DATA_DIR: join(home, 'data'),
    JETTY_PORT: String(port),
    JETTY_ADMIN_TOKEN: adminToken,
  }
  jetty = startJetty(env, [process.execPath, '--import', endsWithParent, await builtProgram(), 'serve'])
  return jetty.ready
}

beforeAll(async () => {
  database = await createTestDatabase()
  const started = await start(await freePort())
  url = started.url
  const signIn = [await builtProgram(), 'sign-in', '--json', '--url', started.url]
  link = JSON.parse((await execute(process.execPath, signIn, { env: { HOME: home } })).stdout).url
  visitor = await newVisitor(url)
})
afterAll(async () => {
  await visitor?.close()
  await jetty?.stop()
  await killJetties()
  await database?.drop()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

const ask = async (method: string, path: string, body?: unknown): Promise<Body> => {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const answer = await fetch(url + path, { method, headers, ...sent })
  expect(answer.ok, `${method} ${path}: ${answer.status}`).toBe(true)
  return answer.json()
}

test('no output of the server has a code that signs in', () => {
  expect(jetty.stdout()).toContain('jetty sign-in')
  expect(jetty.stdout() + jetty.stderr()).not.toContain('jso_')
})

test('a link with the key of the first start signs in, once, and leaves no code in the address', async () => {
  const { page } = visitor
  await page.goto(link)
  await page.getByRole('link', { name: /demo/ }).first().waitFor()
  expect(page.url()).toBe(`${url}/`)
  const other = await newVisitor(url)
  await other.page.goto(link)
  await other.page.getByRole('alert').waitFor()
  await other.page.getByLabel('Key').waitFor()
  await other.close()
})

test('a run is watched through a restart of the server, in the same session', async () => {
  const { page } = visitor
  const workflow = {
    steps: ['first', 'ok', 'last'],
    step_configs: {
      first: { activity: 'text_echo', text: 'one' },
      ok: { activity: 'wait_for_approval', message: 'May it go on?' },
      last: { activity: 'text_echo', text: 'two' },
    },
  }
  await ask('POST', '/api/v1/tasks/demo', { name: 'gate', workflow })
  const { trajectory_id: id } = await ask('POST', '/api/v1/run/demo/gate', {})
  await page.goto(`/demo/gate/${id}`)
  await page.getByRole('heading', { name: 'Waiting' }).waitFor()
  await page.getByText('live', { exact: true }).waitFor()
  await evaluate(page, 'void (globalThis.isSamePage = true)')

  await jetty.stop()
  await page.getByText('The server does not answer').waitFor()
  await start(Number(new URL(url).port))
  await page.getByText('The server does not answer').waitFor({ state: 'hidden' })
  await ask('POST', `/api/v1/trajectory/demo/gate/${id}/steps/ok/approval`, { decision: 'approve' })
  await page.getByRole('heading', { name: 'Completed' }).waitFor()
  await page.getByRole('row', { name: /\blast\b/ }).waitFor()
  expect(await evaluate(page, 'globalThis.isSamePage')).toBe(true)
  visitor.faults.length = 0 // the browser reports each connection that was refused meanwhile
})

test('a page that asks for one of its files while the server is away stays', async () => {
  const { page } = visitor
  const isCheck = (request: Request) => request.method() === 'HEAD'
  await page.route(/\/assets\/help-/, (route) => route.abort())
  await page.route(`${url}/`, (route) => (isCheck(route.request()) ? route.abort() : route.continue()))
  const checked = page.waitForEvent('requestfailed', isCheck)
  await page.goto('/demo/gate')
  await evaluate(page, 'void (globalThis.isSamePage = true)')
  await checked
  expect(await evaluate(page, 'globalThis.isSamePage')).toBe(true)
  await page.unrouteAll()
  visitor.faults.length = 0
})

test('a wrong key is refused with a sentence; a right one leads to the page asked for', async () => {
  const other = await newVisitor(url)
  const { page } = other
  await page.goto('/demo/gate')
  await page.waitForURL('**/sign-in?next=/demo/gate')
  await page.getByLabel('Key').fill('mlc_wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor()
  await expectSound(other, 'a refused sign-in')
  await page.getByLabel('Key').fill(adminToken)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL('**/demo/gate')
  await page.getByRole('row').filter({ hasText: 'Completed' }).waitFor()
  await other.close()
})

test('a session that has ended asks for a key on the page where somebody is', async () => {
  const { page, context } = visitor
  await context.clearCookies()
  await page.goto('/demo/gate?status=completed')
  await page.getByRole('dialog').getByText('Your session has ended').waitFor()
  await expectSound(visitor, 'an ended session')
  await page.getByLabel('Key').fill(adminToken)
  await page.keyboard.press('Enter')
  await page.getByRole('row').filter({ hasText: 'Completed' }).waitFor()
  expect(page.url()).toContain('status=completed')
})

test('signing out everywhere ends the sessions of other browsers too', async () => {
  const other = await newVisitor(url)
  await other.page.goto('/sign-in?next=/demo/gate')
  await other.page.getByLabel('Key').fill(adminToken)
  await other.page.keyboard.press('Enter')
  await other.page.getByRole('row').filter({ hasText: 'Completed' }).waitFor()

  const { page } = visitor
  await page.getByRole('button', { name: 'You and this browser' }).click()
  await page.getByRole('menuitem', { name: 'Sign out everywhere' }).click()
  await page.getByText('Every session of the admin token ends').waitFor() // it asks first
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.waitForURL('**/sign-in')
  await page.goto('/demo')
  await page.waitForURL('**/sign-in?next=/demo')

  // Its stream of events has ended, which it tells without a click.
  await other.page.getByRole('dialog').getByText('Your session has ended').waitFor()
  await other.close()
})
