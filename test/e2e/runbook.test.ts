// A runbook from the first line to its artifact: written with a fault, mended, run, watched, and believed or not.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { evaluate, expectSound, newVisitor, takeShots, type Visitor, withoutAnswers } from './pages.ts'

const example = readFileSync(join(import.meta.dirname, '../../examples/runbooks/order-totals.md'), 'utf8')
const sound = example
  .replace('agent: claude-code', 'agent: scripted')
  // Long enough to be watched.
  .replace('## Step 2: Work the Next Batch Off\n\n```sh\n', '## Step 2: Work the Next Batch Off\n\n```sh\nsleep 2\n')
const faulty = sound.replace('agent: scripted', 'agent: scribbled')

let jetty: TestServer
let visitor: Visitor

beforeAll(async () => {
  jetty = await startTestServer({ webFolder: join(dirname(await builtProgram()), 'web') })
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

const write = async (label: string, text: string) => {
  await visitor.page.getByLabel(label).click()
  await visitor.page.keyboard.press('ControlOrMeta+a')
  await visitor.page.keyboard.insertText(text)
}

test('a new runbook begins with the template, and says what is wrong in it where it is', async () => {
  const { page } = visitor
  await page.goto('/acme')
  await page.getByRole('link', { name: 'New runbook' }).first().click()
  await page.getByText('# New Task — Agent Runbook').waitFor()
  await page.getByText('No value for subject').waitFor()
  await takeShots(visitor, 'runbook-new')
  await expectSound(visitor, 'a new runbook')

  await write('New runbook', faulty)
  await page.getByText('scribbled', { exact: false }).last().waitFor()
  await expect.poll(() => page.locator('.cm-lintRange-error').first().textContent()).toContain('scribbled')
  await page.getByText(/faults? to mend/).waitFor()
  await takeShots(visitor, 'runbook-fault')
  await expectSound(visitor, 'a runbook with a fault')

  await write('New runbook', sound)
  await page.getByText('Ready to run with scripted').waitFor()
  await page.getByLabel('Name of the task').fill('totals')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('navigation', { name: 'Task totals' }).getByRole('link', { name: 'Runbook' }).waitFor()
  const { body } = await jetty.call('GET', '/api/v1/tasks/acme/totals')
  expect([body.workflow.init_params.instruction, body.is_chat_flow]).toEqual([sound, true])
})

test('it is changed, saved with a note, and run with a parameter', async () => {
  const { page } = visitor
  await page.getByText('Ready to run with scripted').waitFor()
  await page.getByRole('tab', { name: 'Run with' }).click()
  await page.getByLabel('batch').fill('5')
  await page.getByLabel('batch').fill('6')
  await page.getByText('jetty run acme/totals -p vars.batch=6').waitFor()
  await takeShots(visitor, 'runbook-form')
  await expectSound(visitor, 'what a runbook is run with')
  await page.getByRole('tab', { name: 'Checks' }).click()
  await evaluate(
    page,
    `(() => {
      const data = new DataTransfer()
      data.items.add(new File(['more orders'], 'more.csv', { type: 'text/csv' }))
      const drop = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data })
      document.querySelector('main h1').dispatchEvent(drop)
    })()`,
  )
  await page.getByRole('tab', { name: 'Run with', selected: true }).waitFor()
  await page.getByText('more.csv').first().waitFor()
  await page.getByPlaceholder('What is different, and why').fill('Says it in German')
  await write('Runbook of totals', sound.replace('- Amounts are whole numbers.', '- Beträge sind ganze Zahlen.'))
  await page.keyboard.press('ControlOrMeta+s')
  await page.getByText('Saved as a new version').waitFor()
  const { body } = await jetty.call('GET', '/api/v1/tasks/acme/totals/history')
  expect(body.versions[0]).toMatchObject({ index: 1, note: 'Says it in German' })
  await page.keyboard.press('ControlOrMeta+Enter')
  await page.waitForURL(/\/acme\/totals\/[0-9a-f]{8}/)
})

test('the run is watched while it works, and shows what it made and whether that can be believed', async () => {
  const { page, faults } = visitor
  await page.getByRole('tab', { name: 'Transcript', selected: true }).waitFor()
  await page
    .getByRole('list', { name: 'Phases' })
    .getByRole('button', { name: /working/ })
    .waitFor()
  await page.getByText('Verified by command after 1 repair').waitFor({ timeout: 60_000 })
  await page.getByRole('cell', { name: 'edsger' }).waitFor()
  const checks = page.getByRole('region', { name: 'Checks' })
  await checks.getByText('command, exit 0 after 1 repair').waitFor()
  await takeShots(visitor, 'runbook-result')
  await expectSound(visitor, 'the result of a runbook')

  await page.getByRole('tab', { name: 'Transcript' }).click()
  await page
    .getByRole('list', { name: 'Phases' })
    .getByRole('button', { name: /repairing/ })
    .waitFor()
  await page.getByText('totals.csv is not what orders.csv adds up to', { exact: false }).first().waitFor()
  await takeShots(visitor, 'runbook-transcript')
  await expectSound(visitor, 'a transcript with a repair')
  const [run] = (await jetty.call('GET', '/api/v1/db/trajectories/acme/totals')).body.trajectories
  expect(run.init_params.vars).toEqual({ batch: '6' })
  expect(run.init_params.file_paths).toEqual([expect.stringMatching(/\.csv$/)])
  expect(withoutAnswers(faults)).toEqual([])
})
