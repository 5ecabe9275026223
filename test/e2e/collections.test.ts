// Collections, the overview of one, and approvals, on a real server.
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { expectSound, newVisitor, takeShots, type Visitor } from './pages.ts'

let jetty: TestServer
let visitor: Visitor
const gate = {
  step_configs: {
    ask: {
      activity: 'wait_for_approval',
      message: 'Publish this draft?',
      assignees: ['legal'],
      metadata: { draft: '<script>alert(1)</script> Dear all', words: 12 },
    },
    send: { activity: 'text_echo', text: 'sent' },
  },
  steps: ['ask', 'send'],
}

beforeAll(async () => {
  jetty = await startTestServer({ webFolder: join(dirname(await builtProgram()), 'web') })
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'gate', description: 'Asks before it sends', workflow: gate })
  await jetty.run({ step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] })
  const ids = [await jetty.start('gate'), await jetty.start('gate')].map((run) => run.trajectory_id)
  for (const id of ids) await jetty.until('gate', id, (run) => run.waiting !== null)
  await jetty.call('POST', '/api/v1/trajectories/acme/sent/ingest', { trajectory_id: 'run-1', status: 'failed' })
  visitor = await newVisitor(jetty.url)
  const { page } = visitor
  await page.goto('/sign-in')
  await page.getByLabel('Key').fill(jetty.server.adminToken)
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: /acme/ }).first().waitFor()
}, 120_000)
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
})

test('collections say what goes on in them', async () => {
  const { page } = visitor
  const row = page.getByRole('listitem').filter({ hasText: 'acme' })
  await row.getByText('3 tasks').waitFor()
  await row.getByLabel('waiting for a person').waitFor()
  await expectSound(visitor, 'collections')
  await takeShots(visitor, 'collections')
})

test('the overview of a collection has its tasks, what waits and what failed, and follows runs', async () => {
  const { page } = visitor
  await page.goto('/acme')
  await page.getByRole('heading', { name: 'Waiting for a person' }).waitFor()
  await page.getByRole('heading', { name: /Latest failures/ }).waitFor()
  await page.getByRole('link', { name: /gate.*Asks before it sends/s }).waitFor()
  await expectSound(visitor, 'overview')
  await takeShots(visitor, 'overview')
  await jetty.call('POST', '/api/v1/tasks/acme', {
    name: 'late',
    workflow: { step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] },
  })
  await jetty.start('late')
  await page.getByRole('link', { name: /^.*late/ }).waitFor()
})

test('an approval is decided by keyboard; a decided one says who decided', async () => {
  const { page } = visitor
  await page.keyboard.press('g')
  await page.keyboard.press('a')
  await page.getByRole('list', { name: 'Approvals' }).getByRole('listitem').first().waitFor()
  await page.keyboard.press('j')
  await page.getByRole('heading', { name: 'Publish this draft?' }).waitFor()
  await page.getByText('<script>alert(1)</script> Dear all').waitFor()
  await expectSound(visitor, 'approvals')
  await takeShots(visitor, 'approvals')
  await page.keyboard.press('a')
  await expect
    .poll(async () => (await jetty.call('GET', '/api/v1/approvals?state=decided')).body.total, { timeout: 10_000 })
    .toBe(1)
  await page.getByRole('tab', { name: /Decided/ }).click()
  await page.getByText('by admin').waitFor()
})

test('the plain skin asks one question, without ids', async () => {
  const { page } = visitor
  await page.goto('/-/approvals?skin=plain')
  await page.getByRole('heading', { name: 'Publish this draft?' }).waitFor()
  await expectSound(visitor, 'plain approval')
  await takeShots(visitor, 'approvals-plain')
  await page.getByLabel('Comment').fill('too long')
  await page.getByRole('button', { name: 'Reject' }).click()
  await page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor()
  const { body } = await jetty.call('GET', '/api/v1/approvals?state=decided')
  expect(body.approvals[0]).toMatchObject({ decision: 'reject', comment: 'too long' })
})
