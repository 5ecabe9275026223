// The list of runs, on a real server, as somebody uses it who looks after the runs of a collection.
import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Workflow } from '../../src/model/workflows/workflow.ts'
import type { TestServer } from '../server.ts'
import { countLists, expectSound, type Visitor, withoutAnswers } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

const echo = { activity: 'text_echo', text: 'harbours' }
const workflows: Record<string, Workflow> = {
  quick: { steps: ['say'], step_configs: { say: echo } },
  broken: {
    init_params: { topic: 'ports' },
    steps: ['say', 'read'],
    step_configs: { say: echo, read: { activity: 'read_text_file', file_path: 'acme/nothing/here.txt' } },
  },
  gate: {
    steps: ['ok'],
    step_configs: { ok: { activity: 'wait_for_approval', message: 'Publish this?' } },
  },
  each: {
    init_params: { items: [1, 2, 3] },
    steps: ['all'],
    step_configs: {
      all: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: 'quick' },
    },
  },
}

let jetty: TestServer
let visitor: Visitor
let lists: () => Promise<void>
beforeAll(async () => {
  jetty = await startServerWithPages()
  for (const [name, workflow] of Object.entries(workflows)) {
    const { status, body } = await jetty.call('POST', '/api/v1/tasks/acme', { name, workflow })
    expect(status, JSON.stringify(body)).toBe(201)
  }
  visitor = await newAdmin(jetty)
  lists = countLists(visitor)
})
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
})

const rows = (text: string) => visitor.page.getByRole('row').filter({ hasText: text })
const button = (name: string) => visitor.page.getByRole('button', { name, exact: true })
const addressHas = (text: string) => expect.poll(() => visitor.page.url()).toContain(text)
const news = (text: string | RegExp) => visitor.page.getByRole('button', { name: text })
/** Waits for so many rows, and shows what the page announces meanwhile. */
const found = (found: Locator, count: number) =>
  expect
    .poll(async () => {
      if ((await news(/^\d+ new runs?$/).count()) > 0)
        await news(/^\d+ new runs?$/)
          .click({ timeout: 2_000 })
          .catch(() => {})
      return found.count()
    })
    .toBe(count)

test('a run that came between the reading of the list and the first event appears all the same', async () => {
  const { page } = visitor
  let follow = () => {}
  const held = new Promise<void>((resolve) => {
    follow = resolve
  })
  await page.route('**/collections/acme/events', async (route) => {
    await held
    await route.continue()
  })
  await page.goto('/acme/-/runs')
  await page.getByText('Nothing has run in acme yet').waitFor()
  await lists()
  await jetty.start('quick')
  const completed = async () => (await jetty.call('GET', '/api/v1/runs/acme?status=completed')).body.runs.length
  await expect.poll(completed).toBe(1)
  follow()
  await rows('Completed').waitFor()
  await page.unroute('**/collections/acme/events')
})

test('later runs are announced', async () => {
  const { page } = visitor
  await page.getByText('live', { exact: true }).waitFor()
  await lists()
  await jetty.start('broken')
  await jetty.start('gate')
  await news('2 new runs').click()
  await rows("There is no file 'acme/nothing/here.txt'").waitFor()
  await rows('Waiting').waitFor()
})

test('keys walk through the list and look at runs beside it', async () => {
  const { page } = visitor
  for (const key of ['j', 'j', 'Space']) await page.keyboard.press(key)
  const panel = page.getByRole('region', { name: 'the run' })
  await panel.getByText("There is no file 'acme/nothing/here.txt'").waitFor()
  await panel.getByText('read_text_file').waitFor()
  await addressHas('peek=broken/')
  await expectSound(visitor, 'a look at a run')
  await page.keyboard.press('k')
  await panel.getByText('Publish this?').waitFor()
  await page.keyboard.press('Escape')
  await expect.poll(() => page.url()).not.toContain('peek')
})

test('filters stand in the address, are turned around, and become a view', async () => {
  const { page } = visitor
  await button('Filter').click()
  await button('Completed').click()
  await page.keyboard.press('Escape')
  await addressHas('status=completed')
  await expect.poll(() => rows('Failed').count()).toBe(0)
  await page.getByTitle('Show all but these').click()
  await addressHas('status_not=completed')
  await rows('Failed').waitFor()
  await page.getByRole('searchbox', { name: 'Search runs' }).fill('ports')
  await addressHas('q=ports')
  await expect.poll(() => rows('Waiting').count()).toBe(0)
  await expectSound(visitor, 'a narrowed list')

  await button('Save view').click()
  await page.getByLabel('Name').fill('Ports that need a look')
  await button('Save these filters').click()
  await page.getByRole('tab', { name: 'Ports that need a look', selected: true }).waitFor()
  await page.getByRole('tab', { name: 'All' }).click()
  await rows('Waiting').waitFor()
  await page.getByRole('tab', { name: 'Ports that need a look' }).click()
  await addressHas('status_not=completed')
  await page.reload()
  await rows('Failed').waitFor()
  expect(await rows('Waiting').count()).toBe(0)
  await button('Clear').click()
  await rows('Waiting').waitFor()
})

test('keys select runs and label them; the label is taken back, and filtered for', async () => {
  const { page } = visitor
  for (const key of ['j', 'x', 'j', 'j', 'Shift+X']) await page.keyboard.press(key)
  await page.getByText('3 selected', { exact: true }).waitFor()
  await page.keyboard.press('l')
  const dialog = page.getByRole('dialog', { name: 'Label 3 runs' })
  await dialog.getByLabel('Label', { exact: true }).fill('reviewed')
  await page.keyboard.press('Enter')
  await page.getByText('Labelled 3 runs').waitFor()
  await expect.poll(() => rows('reviewed').count()).toBe(3)
  await button('Undo').click()
  await expect.poll(() => rows('reviewed').count()).toBe(0)

  await rows('Failed').getByRole('checkbox').click()
  await page.getByText('1 selected', { exact: true }).waitFor()
  await page.keyboard.press('l')
  await page.getByRole('dialog').getByLabel('Label', { exact: true }).fill('reviewed')
  await page.keyboard.press('Enter')
  await expect.poll(() => rows('reviewed').count()).toBe(1)
  await page.goto('/acme/-/runs?label_not=reviewed')
  await rows('Waiting').waitFor()
  expect(await rows('Failed').count()).toBe(0)
})

test('a question is answered beside the list; a list that was stopped follows again', async () => {
  const { page } = visitor
  await page.goto('/acme/-/runs')
  await rows('Waiting').waitFor()
  await page.keyboard.press('.')
  await page.getByText('stopped', { exact: true }).waitFor()
  const before = await rows('gate').count()
  await jetty.start('gate')
  await page.keyboard.press('.')
  await found(rows('gate'), before + 1)
  await rows('Waiting').first().click()
  const panel = page.getByRole('region', { name: 'the run' })
  await panel.getByLabel('Comment').fill('go ahead')
  await panel.getByRole('button', { name: 'Approve' }).click()
  await expect.poll(() => rows('gate').filter({ hasText: 'Completed' }).count()).toBe(1)
  await page.keyboard.press('Escape')
  await page.getByRole('tab', { name: 'Mine' }).click()
  await addressHas('author=admin')
  await rows('Waiting').waitFor()
})

test('several runs are cancelled, run again and compared at once', async () => {
  const { page } = visitor
  await jetty.start('gate')
  await found(rows('Waiting'), 2)
  for (const row of await rows('Waiting').all()) await row.getByRole('checkbox').click()
  await button('Cancel 2').click()
  await button('Cancel 2 runs').click()
  await expect.poll(() => rows('Cancelled').count()).toBe(2)

  await rows('quick').getByRole('checkbox').click()
  await button('Re-run…').click()
  await button('With the current version').click()
  await expect.poll(() => button('Re-run…').count()).toBe(0) // the bar goes with the selection
  await found(rows('quick').filter({ hasText: 'Completed' }), 2)
  for (const row of await rows('quick').all()) await row.getByRole('checkbox').check()
  await page.getByRole('link', { name: 'Compare' }).click()
  await page.getByRole('heading', { name: 'Compare' }).waitFor()
  await addressHas('run=acme/quick/')
})

test('runs that a run has started are folded into it', async () => {
  const { page } = visitor
  await page.goto('/acme/-/runs?task=each')
  await page.getByText('No run fits these filters').waitFor()
  await jetty.start('each')
  const children = rows('each').getByTitle('Runs that it started: 3 completed')
  await children.waitFor()
  await children.click()
  await addressHas('parent_id=')
  await expect.poll(() => rows('quick').count()).toBe(3)
})

test('the command menu leads to a task, and the help has the keys of the page', async () => {
  const { page } = visitor
  await page.keyboard.press('Control+k')
  await page.keyboard.type('broken')
  await page.getByRole('option', { name: 'broken' }).first().waitFor()
  await expectSound(visitor, 'the command menu')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/acme/broken')
  await rows('Failed').waitFor()
  await page.keyboard.press('?')
  await page.getByRole('dialog').getByText('Next run').waitFor()
  await page.keyboard.press('Escape')
  await page.goto('/-/nowhere')
  await page.getByText('There is no page at this address').waitFor()
  expect(withoutAnswers(visitor.faults)).toEqual([])
})
