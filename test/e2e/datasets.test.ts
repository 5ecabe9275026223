// Datasets on a real server: from a run to an item, from a change to the runs that it makes stale, and back to the files.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestServer } from '../server.ts'
import type { Visitor } from './pages.ts'
import { withoutAnswers } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

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
  await page.getByLabel('Search datasets').fill('customers ask')
  await page
    .getByRole('list', { name: 'Datasets that were found' })
    .getByRole('link', { name: /questions/ })
    .click()
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

test('items are checked before they are written, and one is edited by its form', async () => {
  const { page } = visitor
  await call('PUT', place, { item_schema: { required: ['text'], properties: { text: { type: 'string' } } } })
  await page.goto('/acme/-/datasets/questions')
  await page.getByRole('button', { name: 'Add many' }).click()
  const dialog = page.getByRole('dialog')
  const pasted = dialog.getByLabel(/^Paste CSV/)
  await pasted.fill('id,text,words:json\nq4,Fourth?,2\nq1,First?,1')
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await page.getByText('1 changed').waitFor()
  await pasted.fill('{"id": "q5", "other": 1}')
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await page.getByRole('list', { name: 'Refused rows' }).getByText('line 1').waitFor()
  await pasted.fill('id\ttext\nq4\tFourth?')
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await page.getByRole('button', { name: 'Write 1' }).click()
  await page.getByText(/: 1 added, 0 changed/).waitFor()
  await page.goto('/acme/-/datasets/questions?item=q4')
  await page.getByRole('button', { name: 'Edit the item' }).click()
  await dialog.getByRole('textbox', { name: /^text/ }).fill('Written?')
  await dialog.getByRole('button', { name: 'As JSON' }).click()
  await dialog.getByRole('textbox', { name: 'Data' }).fill('{"text": ')
  await dialog.getByRole('button', { name: 'As a form' }).click()
  await dialog.getByText(/^This is not JSON/).waitFor()
  await dialog.getByRole('textbox', { name: 'Data' }).fill('{"text": "In JSON?"}')
  await dialog.getByRole('button', { name: 'As a form' }).click()
  expect(await dialog.getByRole('textbox', { name: /^text/ }).inputValue()).toBe('In JSON?')
  await dialog.getByRole('textbox', { name: /^text/ }).fill('Edited?')
  await page.getByRole('button', { name: 'Save as a new version' }).click()
  await page.getByText(/^Saved as version/).waitFor()
  expect((await call('GET', `${place}/items/q4`)).data).toEqual({ text: 'Edited?' })
  await page.getByRole('button', { name: 'Add an item' }).click()
  await dialog.getByRole('textbox', { name: 'Id' }).fill('q4')
  await dialog.getByRole('textbox', { name: /^text/ }).fill('Again?')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByText("There is an item 'q4' already").waitFor()
})

test('items are searched by a text in their data', async () => {
  const { page } = visitor
  await page.goto('/acme/-/datasets/questions')
  await page.getByText('q1', { exact: true }).waitFor()
  await page.getByLabel('Search items').fill('no item says this')
  await page.getByText('No item contains').waitFor()
  await page.getByLabel('Search items').fill('Q2')
  await page.getByText('q2', { exact: true }).waitFor()
  expect(await page.getByText('q1', { exact: true }).count()).toBe(0)
  await page.getByLabel('Search items').fill('')
  await page.getByText('q1', { exact: true }).waitFor()
})

test('a list that cannot be read again stays, and an item that is gone can be closed', async () => {
  const { page } = visitor
  await page.goto('/acme/-/datasets/questions')
  await page.getByRole('button', { name: 'Add an item' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: /^text/ }).fill('Sixth?')
  await page.route('**/datasets/acme/questions/items?*', (route) =>
    route.fulfill({ status: 500, json: { detail: 'The list is broken' } }),
  )
  const refused = page.waitForResponse((answer) => answer.status() === 500)
  await dialog.getByRole('button', { name: 'Add', exact: true }).click()
  await refused
  await dialog.waitFor({ state: 'detached' })
  await page.getByText('q1', { exact: true }).waitFor()
  await page.unroute('**/datasets/acme/questions/items?*')
  await page.goto('/acme/-/datasets/questions?item=gone')
  await page.getByRole('alert').waitFor()
  await page.getByRole('button', { name: 'Close the item' }).click()
  await page.getByRole('alert').waitFor({ state: 'detached' })
})

test('a dataset is created, and a name that is taken is refused', async () => {
  const { page } = visitor
  await page.goto('/acme/-/datasets')
  await page.getByRole('button', { name: 'New dataset' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('questions')
  await page.keyboard.press('Enter')
  await page.getByText('Dataset already exists').waitFor()
  await page.getByRole('textbox', { name: 'Name' }).fill('answers')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.waitForURL(/datasets\/answers/)
  await page.getByText('No items yet').waitFor()
})

test('lineage is a graph that leads from the dataset to its batches and from an item to its runs', async () => {
  const { page } = visitor
  await page.goto('/acme/-/datasets/questions?tab=lineage')
  await page.getByRole('button', { name: /answer ×3/ }).click()
  await page.getByRole('region', { name: 'The chosen box' }).getByText('3 items').waitFor()
  await page.goto('/acme/-/datasets/questions?item=q2')
  await page.getByRole('link', { name: 'Lineage as a graph' }).click()
  const run = page.getByRole('button', { name: /run of answer · stale/ })
  await run.focus()
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await run.click()
  await page.getByRole('region', { name: 'The chosen box' }).getByRole('link', { name: 'Open' }).click()
  await page.waitForURL(/\/acme\/answer\//)
})

test('two versions are compared, and a file is added', async () => {
  const { page, faults } = visitor
  await page.goto('/acme/-/datasets/questions?tab=versions')
  await page.getByRole('button', { name: 'v2', exact: false }).first().click()
  await page.getByRole('button', { name: /changed q2/ }).click()
  await page.getByText('Another question?').first().waitFor()
  await page.getByLabel('New tag').fill('gold')
  await page.getByRole('button', { name: 'Tag', exact: true }).click()
  await page.getByRole('button', { name: 'Remove the tag gold' }).waitFor()
  await page.getByRole('tab', { name: 'Files' }).click()
  const buffer = Buffer.from('question,answer\nwhy,because\n')
  await page.locator('input[type=file]').setInputFiles({ name: 'more.csv', mimeType: 'text/csv', buffer })
  await page.getByRole('gridcell', { name: 'because' }).click()
  await page.getByRole('region', { name: 'answer of row 1' }).getByText('1 different').waitFor()
  expect((await call('GET', `${place}/data`)).files).toHaveLength(1)
  expect(withoutAnswers(faults)).toEqual([])
})
