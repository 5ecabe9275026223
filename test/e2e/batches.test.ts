// Many rows at once, on a real server: a batch from a file, its failed row again, its results; an evaluation and its baseline.
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { work, working } from '../integration/fan-out/batching.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { expectSound, newVisitor, takeShots, type Visitor, withoutAnswers } from './pages.ts'

let jetty: TestServer
let visitor: Visitor

beforeAll(async () => {
  const webFolder = join(dirname(await builtProgram()), 'web')
  jetty = await startTestServer({ webFolder, activities: [work] })
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'letters', workflow: working })
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

const runs = async (): Promise<Body[]> =>
  (await jetty.call('GET', '/api/v1/db/trajectories/acme/letters?limit=100')).body.trajectories

test('a batch is started from a file and followed to its end', async () => {
  const { page } = visitor
  await page.goto('/acme/letters?tab=batches')
  await page.getByText('No batch yet').waitFor()
  await takeShots(visitor, 'batches-none')
  await page.getByRole('button', { name: 'New batch' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Or rows', { exact: false }).fill('{"text": }')
  await dialog.getByText('Line 1 is not a JSON object', { exact: false }).waitFor()
  const rows = 'text,fails:json\nada,false\ngrace,true\nedsger,false\n'
  await dialog
    .getByLabel('Choose a file of rows')
    .setInputFiles({ name: 'people.csv', mimeType: 'text/csv', buffer: Buffer.from(rows) })
  await dialog.getByText('text,fails:json', { exact: false }).waitFor()
  await dialog.getByLabel('Name').fill('people')
  await dialog.getByLabel('Version').fill('0')
  await takeShots(visitor, 'batches-new')
  await expectSound(visitor, 'a new batch')
  await dialog.getByRole('button', { name: 'Start' }).click()
  const batch = page.getByRole('region', { name: 'Batch people' })
  await batch.getByText('2 completed', { exact: false }).last().waitFor()
  await batch.getByText('1 failed', { exact: false }).last().waitFor()
  await batch.getByText('v0 ·', { exact: false }).waitFor()
  await batch.getByText('row 2').waitFor()
  await batch.getByText('no grace', { exact: false }).first().waitFor()
  await takeShots(visitor, 'batches')
  await expectSound(visitor, 'a batch with a failed row')
})

test('its results are downloaded, and its failed row is run again', async () => {
  const { page, faults } = visitor
  const batch = page.getByRole('region', { name: 'Batch people' })
  await batch.getByRole('button', { name: 'Download results' }).click()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: 'As CSV' }).click(),
  ])
  expect(download.suggestedFilename()).toBe('people.csv')
  const lines = (await text(await download.createReadStream())).trim().split('\n')
  expect([lines.length, lines[1]?.includes('ADA')]).toEqual([4, true])
  await batch.getByRole('button', { name: 'Run 1 failed row again' }).click()
  await page.getByText('Started again 1 run').waitFor()
  await expect.poll(async () => (await runs()).filter(({ status }) => status === 'failed').length).toBe(2)
  await batch.getByRole('link', { name: 'All runs' }).click()
  await page.waitForURL(/parent_id=/)
  expect(withoutAnswers(faults)).toEqual([])
})

test('an evaluation judges rows, and is compared with an earlier one', async () => {
  const { page } = visitor
  await page.goto('/acme/letters?tab=evaluations')
  await page.getByText('No evaluation yet').waitFor()
  const evaluate = async (name: string, expected: string) => {
    await page.getByRole('button', { name: 'New evaluation' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').first().fill(name)
    const rows = [
      { id: 'one', text: 'ada', expected: 'ADA' },
      { id: 'two', text: 'grace', expected },
    ]
    await dialog.getByLabel('Or rows', { exact: false }).fill(rows.map((row) => JSON.stringify(row)).join('\n'))
    return dialog
  }
  const first = await evaluate('first', 'GRACE')
  await first.getByRole('button', { name: 'Start' }).click()
  await first.getByText('Name the model that judges').waitFor()
  await first.getByRole('textbox', { name: 'Model' }).fill('scripted/judge')
  await first.getByLabel('Judges by').fill('Does the output say what was expected?')
  await first.getByLabel('Lowest mean that passes').fill('0.9')
  await first.getByText("2 runs: No evaluation of 'letters' has a judge 'right'", { exact: false }).waitFor()
  await takeShots(visitor, 'evaluations-new')
  await expectSound(visitor, 'a new evaluation')
  await first.getByRole('button', { name: 'Start' }).click()
  const shown = page.getByRole('region', { name: 'Evaluation first' })
  await shown.getByText('All thresholds are met').waitFor()
  await shown.getByRole('cell', { name: '100 %', exact: true }).waitFor()

  await page.reload() // the list knows then that the first has completed
  const second = await evaluate('second', 'nobody') // with the judge of the first
  await second.getByLabel('Compared with').selectOption({ label: 'first' })
  await second.getByText(/2 runs: about \$0 .* from \d recorded runs/).waitFor()
  await takeShots(visitor, 'evaluations-estimate')
  await second.getByRole('button', { name: 'Start' }).click()
  const compared = page.getByRole('region', { name: 'Evaluation second' })
  await compared.getByText('A threshold is missed').waitFor()
  await compared.getByText('worse, was yes').waitFor()
  await takeShots(visitor, 'evaluations')
  await expectSound(visitor, 'an evaluation with its baseline')
  await compared.getByRole('combobox', { name: 'Items' }).selectOption('worse')
  await compared.getByText('1 item', { exact: true }).waitFor()
})

test('statistics say how the task went day by day', async () => {
  const { page } = visitor
  await page.goto('/acme/letters?tab=stats')
  await page.getByRole('heading', { name: 'Day by day' }).waitFor()
  await page.getByText('Ended runs').first().waitFor()
  await takeShots(visitor, 'stats-days')
  await expectSound(visitor, 'statistics by day')
})

test('runs that a step started stand beside it on one time scale, failed ones first, each with its steps', async () => {
  const { page } = visitor
  const child = await jetty.task({
    step_configs: {
      work: { activity: 'work', text_path: 'init_params.item.text', fails_path: 'init_params.item.fails' },
    },
    steps: ['work'],
  })
  const items = ['ada', 'grace', 'edsger'].map((text) => ({ text, fails: text === 'grace' }))
  const parent = await jetty.task({
    init_params: { items },
    step_configs: {
      all: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        child_workflow_name: child,
        continue_on_error: true,
      },
    },
    steps: ['all'],
  })
  const { trajectory_id: id } = await jetty.start(parent)
  await jetty.until(parent, id, ({ ended }) => ended !== null)
  await page.goto(`/acme/${parent}/${id}?step=all&panel=runs`)
  await page.getByText('3 of 3 runs ended: 2 completed, 1 failed', { exact: false }).last().waitFor()
  const first = page.getByRole('list', { name: 'Runs', exact: true }).getByRole('listitem').first()
  await first.getByText('no grace', { exact: false }).waitFor()
  await first.getByRole('button', { name: /Steps of/ }).click()
  await first.getByRole('link', { name: 'work' }).waitFor()
  await takeShots(visitor, 'fan-out-runs')
  await expectSound(visitor, 'the runs of a step')
})
