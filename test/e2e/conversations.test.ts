// Sessions and users in the browser, on a real server: from the list to a turn, and to the user who made it.
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { expectSound, newVisitor, takeShots, type Visitor } from './pages.ts'

let jetty: TestServer
let visitor: Visitor

beforeAll(async () => {
  jetty = await startTestServer({ webFolder: join(dirname(await builtProgram()), 'web') })
  const ask = { activity: 'litellm_chat', model: 'scripted/echo', prompt_path: 'init_params.prompt' }
  const task = await jetty.task({ init_params: { prompt: '' }, step_configs: { ask }, steps: ['ask'] })
  for (const [user, prompt] of [
    ['ada', 'Is it long?'],
    ['grace/h', 'And how wide is it?'],
  ]) {
    const body = { labels: { user, session: 'a/b' }, init_params: { prompt } }
    const { status } = (await jetty.call('POST', `/api/v1/run-sync/acme/${task}`, body)).body
    expect(status).toBe('completed')
  }
  visitor = await newVisitor(jetty.url)
  const { page } = visitor
  await page.goto('/sign-in')
  await page.getByLabel('Key').fill(jetty.server.adminToken)
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'acme' }).first().waitFor()
})
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
})

test('a session is listed, read turn by turn, and leads to the runs and the users of its turns', async () => {
  const { page } = visitor
  await page.goto('/acme')
  await page.getByRole('link', { name: 'Sessions' }).click()
  await page.getByRole('list', { name: 'Sessions' }).getByRole('link').click()
  const turns = page.getByRole('list', { name: 'Turns' }).getByRole('listitem')
  await expect.poll(() => turns.count()).toBe(2)
  expect(await turns.nth(0).innerText()).toContain('Is it long?')
  expect(await turns.nth(1).innerText()).toContain('And how wide is it?')
  await takeShots(visitor, 'session-real')
  await expectSound(visitor, 'a session')
  await page.getByRole('link', { name: 'grace/h' }).click()
  await page.getByRole('heading', { name: 'grace/h' }).waitFor()
  await page.getByRole('list', { name: 'Sessions' }).getByText('a/b').waitFor()
  await expectSound(visitor, 'a user')
  await page.getByRole('link', { name: 'Runs of this user' }).click()
  await page.waitForURL(/label=user/)
})
