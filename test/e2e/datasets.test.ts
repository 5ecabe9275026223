// Datasets on a real server: from a run to an item, from a change to the runs that it makes stale, and back to the files.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { TestServer } from '../server.ts'
import type { Visitor } from './pages.ts'
import { withoutAnswers } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

vi.setConfig({ testTimeout: 120_000 })

let jetty: TestServer
let visitor: Visitor
const place = '/api/v1/datasets/acme/questions'

const call = async (method: string, path: string, body?: unknown) => {
  const answer = await jetty.call(method, path, body)
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answer.body
}

beforeAll(async () => {
  jetty = await startServerWithPages()
  const say = { activity: 'text_echo', text_path: 'init_params.text' }
  await call('POST', '/api/v1/tasks/acme', { name: 'answer', workflow: { steps: ['say'], step_configs: { say } } })
  await call('POST', '/api/v1/datasets/acme', { name: 'questions', long_description: 'What customers ask' })
  const items = [1, 2, 3].map((at) => ({ id: `q${at}`, data: { text: `Question ${at}?` } }))
  await call('POST', `${place}/items`, { items })
  visitor = await newAdmin(jetty)
}, 120_000)
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
})

test('a dataset is found, and an item shows its data', async () => {
  const { page } = visitor
  await page.goto('/acme')
  await page.getByRole('link', { name: 'Datasets' }).click()
  await page.getByRole('link', { name: /questions/ }).click()
  await page.getByText('3 items').waitFor()
  await page.keyboard.press('j')
  await page.getByRole('heading', { name: 'q1' }).waitFor()
  await page.getByText('No task ran over it yet.').waitFor()
  await page.waitForURL(/item=q1/)
})

test('what has no result is run, and a changed item makes its result stale', async () => {
  const { page } = visitor
  await page.getByRole('tab', { name: 'Results' }).click()
  await page.getByLabel('Task').selectOption('answer')
  await page.getByText('3 never run').waitFor()
  await page.getByRole('button', { name: 'Run 3 without a result' }).click()
  await page.waitForURL(/tab=batches/)
  const states = async () => (await call('GET', `${place}/results?task=answer`)).counts
  await expect.poll(states, { timeout: 30_000 }).toEqual({ fresh: 3 })
  await call('PUT', `${place}/items/q2`, { text: 'Another question?' })
  await page.goto('/acme/-/datasets/questions?tab=results&task=answer')
  await page.getByText('1 item changed since').waitFor()
  await page.goto('/acme/-/datasets/questions?item=q2')
  const runs = page.getByRole('region', { name: 'Runs over this item' })
  await runs.getByText('stale').waitFor()
  await page.getByText('What it has been').waitFor()
})

test('a run becomes an item, with the right result', async () => {
  const { page } = visitor
  const { trajectory_id: id } = await jetty.start('answer', { init_params: JSON.stringify({ text: 'From a run?' }) })
  await jetty.until('answer', id, ({ ended }) => ended)
  await page.goto(`/acme/answer/${id}`)
  await page.getByRole('button', { name: 'More, and the command line' }).click()
  await page.getByRole('button', { name: 'Add to a dataset' }).click()
  await page.getByLabel('The right result').fill('{"count": 3}')
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByText(/^Added .* to questions$/).waitFor()
  const { items } = await call('GET', `${place}/items`)
  expect(items.at(-1)).toMatchObject({
    data: { text: 'From a run?', expected: { count: 3 } },
    source: { trajectory_id: id, corrected: true },
  })
})

test('two versions are compared, and a file is added', async () => {
  const { page, faults } = visitor
  await page.goto('/acme/-/datasets/questions?tab=versions')
  await page.getByRole('button', { name: 'v2', exact: false }).first().click()
  await page.getByRole('button', { name: /changed q2/ }).click()
  await page.getByText('Another question?').first().waitFor()
  await page.getByRole('tab', { name: 'Files' }).click()
  const buffer = Buffer.from('question,answer\nwhy,because\n')
  await page.locator('input[type=file]').setInputFiles({ name: 'more.csv', mimeType: 'text/csv', buffer })
  await page.getByRole('cell', { name: 'because' }).waitFor()
  expect((await call('GET', `${place}/data`)).files).toHaveLength(1)
  expect(withoutAnswers(faults)).toEqual([])
})
