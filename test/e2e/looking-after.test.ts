// Large lists, what waits for a person, and what is made and deleted: on a real server, as the person who looks after it.
import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Workflow } from '../../src/model/workflows/workflow.ts'
import type { TestServer } from '../server.ts'
import { expectSound, type Visitor, withoutAnswers } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

const workflows: Record<string, Workflow> = {
  'check-order': {
    init_params: { shop: 'oslo', item: { name: 'none', bad: false } },
    steps: ['check'],
    step_configs: {
      check: {
        activity: 'transform',
        input: { item_path: 'init_params.item' },
        expression: "item.bad ? $error('No such order') : item.name",
      },
    },
  },
  orders: {
    init_params: { items: [] },
    steps: ['all', 'after'],
    step_configs: {
      all: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        child_workflow_name: 'check-order',
        continue_on_error: true,
      },
      after: { activity: 'text_echo', text: 'done' },
    },
  },
  gate: { steps: ['ok'], step_configs: { ok: { activity: 'wait_for_approval', message: 'Publish this?' } } },
  asks: {
    steps: ['ask'],
    step_configs: { ask: { activity: 'litellm_chat', model: 'nobody/serves-this', prompt: 'hello' } },
  },
}
/** Runs of the task `busy`, of which the oldest alone has the needle in its parameters. */
const busy = 3_500

let jetty: TestServer
let visitor: Visitor
let fanOut = ''
beforeAll(async () => {
  // A request for a list examines one part of the runs, so that a search takes several.
  jetty = await startServerWithPages({ env: { JETTY_RUN_SEARCH_MS: '0' } })
  for (const [name, workflow] of Object.entries(workflows)) {
    const { status, body } = await jetty.call('POST', '/api/v1/tasks/acme', { name, workflow })
    expect(status, JSON.stringify(body)).toBe(201)
  }
  const items = Array.from({ length: 10 }, (_, at) => ({ name: `order ${at}`, bad: at === 4 }))
  fanOut = (await jetty.start('orders', { init_params: { items } })).trajectory_id
  await jetty.until('orders', fanOut, (run) => run.ended !== null)
  await jetty.call('POST', '/api/v1/trajectories/acme/busy/ingest', { trajectory_id: 'oldest-run', output: 'x' })
  await jetty.server.database.query(
    `update runs set created_at = created_at - interval '1 day', init_params = '{"text":"the needle"}'
     where trajectory_id = 'oldest-run'`,
  )
  await jetty.server.database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, created_at, started_at, ended_at, ingested, cost_usd)
     select 'busy' || n, 'b' || lpad(n::text, 7, '0'), 'w' || n, p.collection_id, p.task_id, p.name, p.definition,
       '{"text":"hay"}', 'admin', 'completed', now() - n * interval '1 second', now() - n * interval '1 second',
       now() - n * interval '1 second' + n * interval '10 ms', true, n / 1000.0
     from runs p, generate_series(1, ${busy}) n where p.trajectory_id = 'oldest-run'`,
  )
  await jetty.server.database.query(
    `insert into run_counts (task_id, shard, total) select task_id, 9, ${busy} from runs where id = 'busy1'`,
  )
  visitor = await newAdmin(jetty)
}, 120_000)
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
})

interface Box {
  getBoundingClientRect(): { right: number }
}

const rows = (text: string) => visitor.page.getByRole('row').filter({ hasText: text })
const button = (name: string) => visitor.page.getByRole('button', { name, exact: true })
const dialog = () => visitor.page.getByRole('dialog')
const addressHas = (text: string) => expect.poll(() => visitor.page.url()).toContain(text)
const idsIn = async (list: Locator): Promise<string[]> => (await list.allInnerTexts()).map((text) => text.trim())

test('the list of runs is sorted by its heads, and the address keeps the order', async () => {
  const { page } = visitor
  await page.goto('/acme/busy')
  await rows('b0000001').waitFor()
  const links = page.getByRole('row').getByRole('link')
  await button('Duration').click()
  await addressHas('sort=duration')
  await rows('b0003500').waitFor()
  expect((await idsIn(links)).slice(0, 2)).toEqual(['b0003500', 'b0003499'])
  await expect
    .poll(() => page.getByRole('columnheader', { name: 'Duration' }).getAttribute('aria-sort'))
    .toBe('descending')
  await button('Cost').click()
  await addressHas('sort=cost')
  await button('Cost').click()
  await addressHas('order=asc')
  await rows('b0000001').waitFor()
  expect((await idsIn(links)).slice(0, 2)).toEqual(['b0000001', 'b0000002'])
  await page.reload()
  await rows('b0000001').waitFor()
  await expectSound(visitor, 'a sorted list')
  await button('Started').click()
  await expect.poll(() => page.url()).not.toContain('sort=')
})

test('labels of a run are drawn whole or shortened, and counted where there is no room, at any width', async () => {
  const { page } = visitor
  const { trajectory_id: id } = await jetty.start('gate', {})
  const labels = {
    team: 'approved-by-the-whole-team-of-editors',
    grade: 'excellent',
    stage: 'two',
    experiment: 'three',
  }
  for (const [key, value] of Object.entries(labels)) {
    await jetty.call('POST', `/api/v1/trajectory/acme/gate/${id}/labels`, { key, value, author: 'me' })
  }
  await page.goto('/acme/gate')
  for (const [width, more] of [
    [1024, '+3'],
    [1280, '+1'],
    [1600, '+1'],
  ] as const) {
    await page.setViewportSize({ width, height: 800 })
    const cell = rows(id).getByRole('gridcell').last()
    await cell.getByText(more, { exact: true }).waitFor()
    expect(await cell.getByText(more, { exact: true }).getAttribute('title')).toContain('experiment: three')
    const isInside = await cell.evaluate((node: { querySelectorAll(of: string): Iterable<Box> } & Box) => {
      const end = node.getBoundingClientRect().right
      return [...node.querySelectorAll('*')].every((one) => one.getBoundingClientRect().right <= end + 1)
    })
    expect(isInside, `labels at ${width} px`).toBe(true)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  await jetty.call('POST', '/api/v1/trajectory/acme/gate/statuses', { [id]: 'cancelled' })
})

test('runs are filtered by what they cost, how long they took and which model they asked', async () => {
  const { page } = visitor
  await page.goto('/acme/busy?sort=cost')
  await button('Filter').click()
  await page.getByLabel('Cost at most').fill('$1')
  await page.getByLabel('Took at least').fill('9.9 s')
  await button('Apply').click()
  await addressHas('max_cost_usd=1&min_duration_seconds=9.9')
  await page.getByText('at most $1').waitFor()
  await rows('b0001000').waitFor()
  expect(await idsIn(page.getByRole('row').getByRole('link'))).toHaveLength(11)
  await button('Filter').click()
  await page.getByLabel('Took at least').fill('long')
  await page.getByText('Such as 90 s').waitFor()
  await page.getByLabel('Took at least').fill('')
  await page.getByLabel('Field').selectOption('model')
  await page.getByLabel('Value').fill('nobody/serves-this')
  await page.keyboard.press('Enter')
  await addressHas('model=nobody/serves-this')
  await page.getByText('No run fits these filters').waitFor()
})

test('a search among thousands of runs goes on by itself, and an id is found at once', async () => {
  const { page } = visitor
  await page.goto('/acme/busy')
  await rows('b0000001').waitFor()
  const search = page.getByRole('searchbox', { name: 'Search runs' })
  await search.fill('needle')
  await rows('oldest-run').waitFor() // nobody has pressed a button
  await search.fill('b00034')
  await page.getByRole('list', { name: 'Runs with this id' }).getByRole('link').first().waitFor()
  await search.fill('')
})

test('a task that only other runs have started says so, and shows them told apart', async () => {
  const { page } = visitor
  await page.goto('/acme/check-order')
  await page.getByText('10 runs, all started by others').waitFor()
  expect(await page.getByText('has not run yet').count()).toBe(0)
  await button('Show them').click()
  await rows('order 4').waitFor()
  await expect.poll(() => rows('order').count()).toBe(10)
})

test('a fan-out with a failed child is not all green', async () => {
  const { page } = visitor
  await page.goto(`/acme/orders/${fanOut}`)
  await page.getByText('1 of 10 runs failed').waitFor()
  await page
    .getByRole('row', { name: /10 runs/ })
    .getByText('9 ✓ 1 ✕')
    .waitFor()
  await expectSound(visitor, 'a fan-out in part')
  await button('Show the failed runs').click()
  const children = page.getByRole('list', { name: 'Runs' }).getByRole('listitem')
  await expect.poll(() => children.count()).toBe(10)
  expect(await children.first().innerText()).toContain('name: order 4 · bad: true')
  expect(await children.first().innerText()).not.toContain('oslo') // all of them have it
  await page.goto('/acme/-/runs?task=orders')
  await rows('Completed').getByTitle('Runs that it started: 9 completed, 1 failed').waitFor()
})

test('the banner of a failure and its panel say the same', async () => {
  const { page } = visitor
  const { trajectory_id: id } = await jetty.start('asks')
  const run = await jetty.until('asks', id, (seen) => seen.ended !== null)
  expect(run.status).toBe('failed')
  await page.goto(`/acme/asks/${id}`)
  await page.getByRole('alert').waitFor()
  expect(await page.getByText(/run it again once/i).count()).toBe(0)
})

test('what waits for a person is counted on every page, and is a list of its own', async () => {
  const { page } = visitor
  await page.goto('/acme/-/runs')
  await page.getByText('live', { exact: true }).waitFor()
  const { trajectory_id: id } = await jetty.start('gate')
  await page.getByRole('link', { name: '1 step waits for a person' }).waitFor()
  await page.getByRole('tab', { name: 'Waiting' }).click()
  await rows('gate').waitFor()
  expect(await rows('busy').count()).toBe(0)
  await jetty.call('POST', `/api/v1/trajectory/acme/gate/${id}/steps/ok/approval`, { decision: 'approve' })
  await expect.poll(() => page.getByRole('link', { name: /waits for a person/ }).count()).toBe(0)
})

test('a comparison names task and version', async () => {
  const { page } = visitor
  const other = await jetty.start('orders', { init_params: { items: [] } })
  await page.goto(`/-/compare?run=acme/orders/${fanOut}&run=acme/orders/${other.trajectory_id}`)
  await page.getByRole('heading', { name: 'Compare runs of acme/orders' }).waitFor()
  await page.getByRole('columnheader', { name: fanOut }).getByText('orders · v0').waitFor()
})

test('a batch has its name in lists, and leads to its report', async () => {
  const { page } = visitor
  const items = [{ item: { name: 'a' } }, { item: { name: 'b' } }]
  const { body } = await jetty.call('POST', '/api/v1/run-batch/acme/check-order', { name: 'orders of may', items })
  await page.goto('/acme/_batch')
  await page.getByRole('link', { name: 'orders of may · batch of check-order' }).click()
  await addressHas(`tab=batches&batch=${body.batch_id}`)
  await page.goto(`/acme/_batch/${body.batch_id}`)
  await page.getByRole('link', { name: 'orders of may · batch of check-order' }).waitFor()
})

test('runs are deleted with what they started, after a dialog that says so', async () => {
  const { page } = visitor
  await page.goto('/acme/orders')
  await rows(fanOut).getByRole('checkbox').click()
  await button('Delete…').click()
  await dialog().getByText('1 run with its values, log and files').waitFor()
  await dialog().getByText('10 runs that they started').waitFor()
  await expectSound(visitor, 'what is lost with a run')
  await button('Delete it').click()
  await expect.poll(() => rows(fanOut).count()).toBe(0)
  expect((await jetty.call('GET', `/api/v1/db/trajectory/acme/orders/${fanOut}`)).status).toBe(404)
})

test('the command menu finds datasets, runs by a part of their id, and what can be made', async () => {
  const { page } = visitor
  await jetty.call('POST', '/api/v1/datasets/acme', { name: 'golden-questions' })
  await page.goto('/')
  await page.getByRole('heading', { name: 'Collections' }).waitFor()
  const menu = async (typed: string, option: string | RegExp) => {
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').fill(typed)
    await page.getByRole('option', { name: option }).first().click()
  }
  await menu('golden', /Dataset.*acme\/golden-questions/)
  await page.waitForURL('**/acme/-/datasets/golden-questions')
  await menu('b000345', /Run.*b000345/)
  await page.waitForURL('**/acme/busy/b000345*')
  await menu('new task', 'New task in acme')
  await page.waitForURL('**/acme/-/new-task')
})

test('collections, tasks and datasets are made and deleted; much of it only after its name was typed', async () => {
  const { page } = visitor
  await page.goto('/')
  await button('New collection').click()
  await dialog().getByLabel('Name').fill('shop')
  await page.keyboard.press('Escape')
  await dialog().waitFor({ state: 'detached' })
  await page.keyboard.press('Enter') // on the button that opened it, which has the focus again
  await dialog().getByLabel('Name').fill('shop')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/shop')
  await jetty.call('POST', '/api/v1/datasets/shop', { name: 'prices' })
  await jetty.call('POST', '/api/v1/tasks/shop', { name: 'gate', workflow: workflows.gate })

  await page.goto('/shop/-/datasets/prices')
  await button('More about prices').click()
  await page.getByRole('menuitem', { name: 'Delete this dataset' }).click()
  await dialog().getByText('1 version').waitFor()
  await button('Delete it').click()
  await page.waitForURL('**/shop/-/datasets')

  await page.goto('/shop/gate')
  await button('More about gate').click()
  await page.getByRole('menuitem', { name: 'Delete this task' }).click()
  await dialog().getByText('It has no runs.').waitFor()
  await button('Delete it').click()
  await page.waitForURL('**/shop')

  await jetty.call('POST', '/api/v1/tasks/shop', { name: 'gate', workflow: workflows.gate })
  await page.goto('/shop/-/settings/general')
  await button('Delete shop').click()
  await dialog().getByText('1 task').waitFor()
  await expectSound(visitor, 'what is lost with a collection')
  expect(await button('Delete it').isDisabled()).toBe(true)
  await dialog().getByLabel('Type shop to confirm').fill('shop')
  await button('Delete it').click()
  await page.getByText('Deleted shop').waitFor()
  expect((await jetty.call('GET', '/api/v1/collections/shop')).status).toBe(404)
  expect(withoutAnswers(visitor.faults)).toEqual([])
})

test('lists that are loaded whole are sorted and searched in the page', async () => {
  const { page } = visitor
  for (let at = 0; at < 8; at++) {
    await jetty.call('POST', '/api/v1/tasks/acme', { name: `small-${at}`, workflow: workflows.gate })
  }
  await page.goto('/acme')
  const tasks = page.getByRole('list', { name: 'tasks' }).getByRole('listitem')
  await button('Runs').click()
  await expect.poll(async () => (await tasks.first().innerText()).split('\n')[0]).toBe('busy')
  await button('Name').click()
  await expect.poll(async () => (await tasks.first().innerText()).split('\n')[0]).toBe('_batch')
  await page.getByLabel('Search tasks').fill('small')
  await expect.poll(() => tasks.count()).toBe(8)
  await page.reload()
  await expect.poll(async () => (await tasks.first().innerText()).split('\n')[0]).toBe('_batch') // remembered
})
