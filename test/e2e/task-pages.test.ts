// The tabs of a task, on a real server: run it, change its workflow, try a step, look at versions, routines, statistics.
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { evaluate, expectSound, newVisitor, takeShots, type Visitor } from './pages.ts'

let jetty: TestServer
let visitor: Visitor
const workflow = {
  init_params: { topic: 'harbours', words: 100, formal: true },
  input_schema: { required: ['topic'], properties: { topic: { type: 'string', minLength: 1, title: 'Topic' } } },
  step_configs: {
    draft: { activity: 'text_echo', text: 'About {{init_params.topic}}' },
    polish: { activity: 'text_echo', text_path: 'draft.outputs.text' },
  },
  steps: ['draft', 'polish'],
}

beforeAll(async () => {
  jetty = await startTestServer({ webFolder: join(dirname(await builtProgram()), 'web') })
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'report', description: 'Writes a report', workflow })
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

const open = async (tab: string) => {
  await visitor.page.goto(`/acme/report?tab=${tab}`)
  await visitor.page.getByRole('navigation', { name: 'Task report' }).waitFor()
}
const runs = async (): Promise<Body[]> =>
  (await jetty.call('GET', '/api/v1/db/trajectories/acme/report')).body.trajectories

test('a form starts a run with parameters and a file; what does not fit is said at its field', async () => {
  const { page } = visitor
  await open('run')
  await page.getByLabel(/Topic/).fill('')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page
    .getByText('Topic must have at least 1 characters', { exact: false })
    .or(page.getByText('topic must have at least 1 characters'))
    .first()
    .waitFor()
  await page.getByLabel(/Topic/).fill('ports & piers')
  await page.getByLabel('words').fill('many')
  await page.getByText('Write a number, such as 12').waitFor()
  await page.getByLabel('words').fill('250')
  await page
    .getByLabel('Choose files')
    .last()
    .setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') })
  await page.getByText('notes.txt', { exact: true }).waitFor()
  await expectSound(visitor, 'the form of a run')
  await takeShots(visitor, 'task-run')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect
    .poll(async () => (await runs())[0]?.init_params)
    .toMatchObject({
      ...{ topic: 'ports & piers', words: 250, formal: true },
      file_paths: [expect.stringMatching(/^acme\/report\/.*\.txt$/)],
    })
})

test('a mistake in the workflow is underlined where it is, and a corrected one is saved with a note', async () => {
  const { page, faults } = visitor
  await open('definition')
  const editor = page.getByLabel('Workflow of report')
  await editor.click()
  const replaceAll = async (text: string) => {
    await editor.click()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.insertText(text)
  }
  const faulty = structuredClone(workflow)
  faulty.step_configs.polish.text_path = 'draft.outputs.txet'
  await replaceAll(JSON.stringify(faulty, null, 2))
  await page.getByRole('tab', { name: /Problems/ }).click()
  await page.getByText("text_echo has no output 'txet'", { exact: false }).first().waitFor()
  await expect.poll(() => page.locator('.cm-lintRange-error').first().textContent()).toContain('draft.outputs.txet')
  await expectSound(visitor, 'a workflow with a problem')
  await takeShots(visitor, 'task-definition-problem')

  faulty.step_configs.polish.text_path = 'draft.outputs.text'
  faulty.step_configs.draft.text = 'All about {{init_params.topic}}'
  await replaceAll(JSON.stringify(faulty, null, 2))
  await page.getByText('No problems: a run can begin.').waitFor()
  await page.getByPlaceholder('What is different, and why').fill('Says all')
  await editor.click()
  await page.keyboard.press('ControlOrMeta+s')
  await page.getByText('Saved as a new version').waitFor()
  const { body } = await jetty.call('GET', '/api/v1/tasks/acme/report/history')
  expect(body.versions[0]).toMatchObject({ index: 1, note: 'Says all', author: 'admin' })
  expect(await evaluate(page, 'document.activeElement !== document.body'), 'the editor keeps the focus').toBe(true)
  expect(faults.filter((fault) => fault.startsWith('policy'))).toEqual([])
})

test('a step is tried with pinned outputs', async () => {
  const { page } = visitor
  await open('definition')
  await page.getByRole('tab', { name: 'Graph' }).click()
  await page.getByRole('button', { name: /polish/ }).click()
  await page.getByLabel(/draft: pin its outputs/).check()
  await page.getByLabel('Outputs of draft').fill('{"text": "pinned words"}')
  await page.getByRole('button', { name: 'Try this step' }).click()
  await page.getByText('"pinned words"', { exact: false }).last().waitFor()
  await expectSound(visitor, 'a tried step')
  await takeShots(visitor, 'task-definition-step')
})

test('a field of a step writes into the text, where it can be undone', async () => {
  const { page } = visitor
  await open('definition')
  await page.getByRole('tab', { name: 'Graph' }).click()
  await page.getByRole('button', { name: /draft/ }).click()
  const editor = page.getByLabel('Workflow of report')
  await page.getByLabel(/^text \(needed\)/).fill('Written in a form')
  await expect.poll(() => editor.textContent()).toContain('"text": "Written in a form"')
  await page.getByRole('button', { name: 'Take a path for text' }).click()
  await page.getByLabel(/^text \(needed\)/).fill('init_params.topic')
  await expect.poll(() => editor.textContent()).toContain('"text_path": "init_params.topic"')
  await editor.click()
  const undone = async () => {
    await page.keyboard.press('ControlOrMeta+z')
    return editor.textContent()
  }
  await expect.poll(undone).toContain('"text": "All about {{init_params.topic}}"')
})

test('a step is added from the form, and its parameters are asked for', async () => {
  const { page } = visitor
  await open('definition')
  await page.getByRole('tab', { name: /Steps/ }).click()
  await page.getByLabel('Add a step').selectOption('text_concatenate')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  const editor = page.getByLabel('Workflow of report')
  await expect.poll(() => editor.textContent()).toContain('"activity": "text_concatenate"')
  await page.getByRole('region', { name: 'Parameters of text_concatenate' }).waitFor()
})

test('somebody who saves over the change of another one is asked first', async () => {
  const { page } = visitor
  await open('definition')
  const editor = page.getByLabel('Workflow of report')
  await editor.click()
  await page.keyboard.press('ControlOrMeta+End')
  await page.keyboard.insertText(' ')
  await jetty.call('PUT', '/api/v1/tasks/acme/report', { description: 'Changed by somebody else' })
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('dialog').getByText('Your text was not saved', { exact: false }).waitFor()
  await page.getByRole('button', { name: 'Drop mine, show theirs' }).click()
  await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
})

test('a version gets a tag, a run and a routine are started at it, and the tag is removed', async () => {
  const { page } = visitor
  await open('versions')
  await page.getByRole('button', { name: /v0/ }).click()
  await page.getByRole('button', { name: 'Tag', exact: true }).click()
  await page.getByRole('dialog').getByLabel('Tag').fill('production')
  await page.keyboard.press('Enter')
  const removal = page.getByRole('button', { name: 'Remove the tag production' })
  await removal.waitFor()
  await page.getByRole('button', { name: /v0.*production/s }).waitFor()
  await expectSound(visitor, 'a version with a tag')
  await takeShots(visitor, 'task-versions-tagged')

  await open('run')
  await page.getByLabel(/Topic/).fill('an older version')
  await page.getByLabel('Version').fill('production')
  await page.getByText('jetty run acme/report@production', { exact: false }).waitFor()
  const patience = page.getByRole('checkbox', { name: /batch interface/ })
  await patience.check()
  await page.getByText('--economy batch', { exact: false }).waitFor()
  await patience.uncheck()
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page.getByText('v0 (production)').first().waitFor()
  expect((await runs())[0].attributes.params.version).toEqual({ ref: 'production', index: 0 })

  await open('routines')
  await page.getByRole('button', { name: 'New routine' }).click()
  await page.getByLabel('Name').fill('tagged')
  await page.getByLabel('Version').fill('production')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('at production', { exact: false }).first().waitFor()
  const routine = '/api/v1/routines/acme/report/tagged'
  expect((await jetty.call('GET', routine)).body.version).toBe('production')
  await jetty.call('DELETE', routine)

  await open('versions')
  await page.getByRole('button', { name: /v0/ }).click()
  await removal.click()
  await expect.poll(() => removal.count()).toBe(0)
})

test('versions show what changed, and an old one is restored', async () => {
  const { page } = visitor
  await open('versions')
  await page.getByRole('button', { name: /v1/ }).click()
  await page.getByText('Says all').last().waitFor()
  await page.getByText('All about', { exact: false }).first().waitFor()
  await expectSound(visitor, 'versions')
  await takeShots(visitor, 'task-versions')
  await page.getByRole('button', { name: /v0/ }).click()
  await page.getByRole('button', { name: 'Restore' }).click()
  await page.getByText('Version 0 is the newest one again').waitFor()
  const { body } = await jetty.call('GET', '/api/v1/tasks/acme/report')
  expect(body.workflow.step_configs.draft.text).toBe('About {{init_params.topic}}')
})

test('a routine is made, run by hand and paused', async () => {
  const { page } = visitor
  await open('routines')
  await page.getByRole('button', { name: 'New routine' }).click()
  await page.getByText(/^1 run: about .+ from \d+ recorded run/).waitFor()
  await page.getByLabel('Name').fill('morning')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('Monday through Friday', { exact: false }).waitFor()
  await page.getByRole('heading', { name: 'Next' }).waitFor()
  await page.getByRole('button', { name: 'Run now' }).click()
  await page.getByText('The run has been started').waitFor()
  await expectSound(visitor, 'routines')
  await takeShots(visitor, 'task-routines')
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('Paused: it starts nothing until it is resumed.').waitFor()
})

test('statistics count the runs', async () => {
  const { page } = visitor
  await jetty.until('report', (await runs())[0]?.trajectory_id, ({ ended }) => ended !== null)
  await open('stats')
  await page.getByText('Runs by status').waitFor()
  await expectSound(visitor, 'statistics')
  await takeShots(visitor, 'task-stats')
})

test('a task is written, checked while it is typed, created and run', async () => {
  const { page } = visitor
  await page.goto('/acme')
  await page.getByRole('link', { name: 'New task' }).click()
  await page.getByText('No problems: a run can begin.').waitFor()
  await expectSound(visitor, 'a new task')
  const editor = page.getByRole('textbox', { name: 'Workflow of the new task' })
  await editor.fill(JSON.stringify({ ...workflow, steps: ['draft', 'polished'] }))
  await page.getByText("'polished'", { exact: false }).first().waitFor()
  await editor.fill(JSON.stringify(workflow))
  await page.getByText('No problems: a run can begin.').waitFor()
  await page.getByLabel('Name of the task').fill('essay')
  await page.keyboard.press('Control+s')
  await page.getByRole('navigation', { name: 'Task essay' }).waitFor()
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page.waitForURL(/\/acme\/essay\/[0-9a-f]{8}/)
  expect((await jetty.call('GET', '/api/v1/tasks/acme/essay')).body.workflow.steps).toEqual(['draft', 'polish'])
})
