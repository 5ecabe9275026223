// Hooks in the browser, on a real server: one is made, receives, is mended, delivers again, is paused and deleted.
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { echoing, github } from '../integration/hooks/receiving.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { expectSound, newVisitor, takeShots, type Visitor } from './pages.ts'

let jetty: TestServer
let visitor: Visitor
let hook: { url: string; secret: string } = { url: '', secret: '' }

beforeAll(async () => {
  jetty = await startTestServer({ webFolder: join(dirname(await builtProgram()), 'web'), beatMs: 100 })
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'deploy', workflow: echoing })
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

const deliveries = async (): Promise<Body[]> =>
  (await jetty.call('GET', '/api/v1/hooks/acme/deploy-github/deliveries')).body.deliveries

test('a hook is made in a form that says what is wrong, and shows URL and secret once', async () => {
  const { page, faults } = visitor
  await page.goto('/acme/deploy?tab=hooks')
  await page.getByText('Nothing starts runs from outside yet').waitFor()
  await page.getByRole('button', { name: 'New hook' }).click()
  await page.getByLabel('Filter').fill('payload.')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('The filter cannot be used', { exact: false }).waitFor()
  faults.length = 0 // the browser notes the refusal
  await page.getByLabel('Filter').fill('event = "push"')
  await page.getByLabel('Mapping').fill('payload.ref')
  await page.getByRole('button', { name: 'Create' }).click()
  const lines = page.getByRole('dialog').locator('code')
  await page.getByText('Nobody can show the secret again.', { exact: false }).waitFor()
  await takeShots(visitor, 'hook-made')
  await expectSound(visitor, 'the secret of a hook')
  hook = { url: await lines.nth(0).innerText(), secret: await lines.nth(1).innerText() }
  expect(hook).toEqual({
    url: expect.stringMatching(/\/hooks\/[\w-]{32}$/),
    secret: expect.stringMatching(/^whsec_/),
  })
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByText('Nothing was delivered yet').waitFor()
  expect(await page.content()).not.toContain(hook.secret)
})

test('its deliveries tell what became of them; a mended mapping is tried, and one is delivered again', async () => {
  const { page } = visitor
  await github(hook, { id: 'd-1', event: 'star', body: { starred: true } })
  await github(hook, { id: 'd-2', body: { ref: 'refs/heads/main' } })
  await expect.poll(async () => (await deliveries()).map(({ state }) => state)).toEqual(['failed', 'filtered'])
  await page.reload()
  const rows = page.getByRole('list', { name: 'Deliveries' }).getByRole('listitem')
  await rows.filter({ hasText: 'The mapping must lead to an object' }).waitFor()
  expect(await rows.count()).toBe(2)
  await page.getByRole('button', { name: 'Edit' }).click()
  await page.getByLabel('Mapping').fill('{ "text": payload.ref }')
  await page.getByRole('button', { name: 'Try on the newest delivery' }).click()
  await page.getByText('"text": "refs/heads/main"', { exact: false }).waitFor()
  await takeShots(visitor, 'hook-tried')
  await expectSound(visitor, 'a tried mapping')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await rows.filter({ hasText: 'push' }).getByRole('button', { name: 'Deliver again' }).click()
  const link = rows.getByRole('link', { name: /^deploy\// })
  await link.waitFor()
  await rows.getByText('Completed').waitFor()
  await takeShots(visitor, 'hook-deliveries')
  await expectSound(visitor, 'deliveries of a hook')
  await link.click()
  await page.getByRole('link', { name: 'hook deploy-github' }).click()
  await page.getByRole('heading', { name: 'deploy-github' }).waitFor()
  await page
    .getByRole('button', { name: /^Payload of delivery/ })
    .first()
    .click()
  await page.getByText('refs/heads/main').first().waitFor()
  await page.keyboard.press('Escape')
})

test('a paused hook keeps deliveries, which start together once it is resumed', async () => {
  const { page } = visitor
  await page.getByRole('button', { name: 'Pause', exact: true }).click()
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  for (const id of ['d-3', 'd-4']) {
    expect((await github(hook, { id, body: { ref: id } })).body.state).toBe('disabled')
  }
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByRole('button', { name: 'Pause', exact: true }).waitFor()
  await page.getByLabel('Deliveries that are shown').selectOption('disabled')
  await page.getByRole('button', { name: 'Deliver all of these again' }).click()
  await page.getByText('2 are delivered again').waitFor()
  await expect
    .poll(async () => (await deliveries()).map(({ id, state }) => `${id} ${state}`))
    .toEqual(['d-4 started', 'd-3 started', 'd-2 started', 'd-1 filtered'])
})

test('the hooks of a collection stand in its settings, where one is made for an event, and deleted', async () => {
  const { page } = visitor
  await page.goto('/acme/-/settings/hooks')
  await page.getByRole('heading', { name: 'deploy-github' }).waitFor()
  await page.getByRole('button', { name: 'New hook' }).click()
  await page.getByLabel('Starts a run for webhooks of').selectOption('event')
  await page.getByLabel('Name of the event').fill('order.paid')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('heading', { name: 'deploy-event' }).waitFor()
  await expectSound(visitor, 'hooks of a collection')
  await page
    .getByRole('navigation', { name: 'Hooks' })
    .getByRole('button', { name: /deploy-github/ })
    .click()
  await page.getByRole('heading', { name: 'deploy-github' }).waitFor()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { name: 'deploy-event' }).waitFor()
  const { body } = await jetty.call('GET', '/api/v1/hooks/acme')
  expect(body.hooks.map(({ name }: Body) => name)).toEqual(['deploy-event'])
  expect((await github(hook, { id: 'd-9', body: {} })).status).toBe(404)
})
