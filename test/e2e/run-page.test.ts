import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TestServer } from '../server.ts'
import { type Visitor, withoutAnswers } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

let server: TestServer
let visitor: Visitor

beforeAll(async () => {
  server = await startServerWithPages()
  visitor = await newAdmin(server)
})

afterAll(async () => {
  await visitor?.close()
  await server?.close()
})

const echo = (text: string) => ({ activity: 'text_echo', text })
const open = async (task: string, id: string): Promise<void> => {
  await visitor.page.goto(`/acme/${task}/${id}`)
}
const step = (name: string) => visitor.page.getByRole('row', { name: new RegExp(`\\b${name}\\b`) })

it('follows a run while it works, and shows it again after its tab was hidden', async () => {
  const { page } = visitor
  const task = await server.task({
    step_configs: {
      first: echo('one'),
      gate: { activity: 'wait_for_approval', message: 'May it go on?' },
      last: echo('two'),
    },
    steps: ['first', 'gate', 'last'],
  })
  const { trajectory_id: id } = await server.start(task)
  await open(task, id)
  await page.getByRole('heading', { name: 'Waiting' }).waitFor()
  await page.getByText('May it go on?').first().waitFor()
  await page.getByLabel('Comment').fill('of course')
  await page.getByText(`jetty approve acme/${task}/${id} gate --comment 'of course'`).waitFor()
  await page.getByRole('button', { name: 'Approve' }).click()
  await page.getByRole('heading', { name: 'Completed' }).waitFor()
  await step('last').waitFor()
  const { outputs } = (await server.get(task, id)).steps.gate
  expect([outputs.decision, outputs.comment]).toEqual(['approve', 'of course'])
})

it('says what failed and what to do, and runs it again with another parameter', async () => {
  const { page } = visitor
  const task = await server.task({
    init_params: { path: 'acme/nothing/0000/here.txt' },
    step_configs: {
      say: echo('hello'),
      read: { activity: 'read_text_file', file_path_expr: 'init_params.path' },
    },
    steps: ['say', 'read'],
  })
  const { trajectory_id: id } = await server.start(task)
  await server.until(task, id, ({ ended }) => ended)
  await open(task, id)
  await page.getByRole('alert').getByText('here.txt').first().waitFor()
  expect(await page.getByRole('tab', { name: 'Error' }).getAttribute('aria-selected')).toBe('true')
  await page.keyboard.press('k')
  await page.getByRole('heading', { name: 'say' }).waitFor()
  await page.getByText('"hello"').first().waitFor()
  await page.keyboard.press('e')
  await page.getByRole('heading', { name: 'read', exact: true }).waitFor()
  await page.waitForURL(/step=read/)

  await page.keyboard.press('r')
  await page.getByRole('menuitem', { name: 'With other parameters' }).click()
  await page.getByLabel('init_params').fill('{"path": "acme/other/0000/file.txt"}')
  await page.getByText(`jetty rerun acme/${task}/${id} -p path=acme/other/0000/file.txt`).waitFor()
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page.waitForURL((url) => url.pathname.startsWith(`/acme/${task}/`) && !url.pathname.endsWith(id))
  await page.getByText(`re-run of ${id}`).waitFor()
  await page.getByRole('alert').getByText('file.txt').first().waitFor()
})

it('leads from a failure to its fix, runs again from the failed step, and compares with the run before', async () => {
  const { page } = visitor
  const workflow = {
    step_configs: {
      greet: { activity: 'text_template', template: 'Good morning, {{name}}', name: 'moon' },
      say: { activity: 'text_echo', text_path: 'greet.outputs.greeting' },
    },
    steps: ['greet', 'say'],
  }
  const task = await server.task(workflow)
  const { trajectory_id: id } = await server.start(task)
  await server.until(task, id, ({ ended }) => ended)
  await open(task, id)
  await page.getByText("has no 'greeting'", { exact: false }).first().waitFor()
  await page.getByRole('link', { name: 'Open the definition' }).click()

  const editor = page.getByLabel(`Workflow of ${task}`)
  await editor.click()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.insertText(JSON.stringify(workflow, null, 2).replace('outputs.greeting', 'outputs.text'))
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText('Saved as a new version').waitFor()
  await page.getByRole('button', { name: `Run ${id} again` }).click()
  await page.getByText(`re-run of ${id}`).waitFor()
  await page.getByRole('heading', { name: 'Completed' }).waitFor()

  await open(task, id)
  await page.getByRole('heading', { name: 'Failed' }).waitFor()
  await page.getByRole('heading', { name: 'say', exact: true }).waitFor()
  await page.keyboard.press('r')
  await page.getByRole('menuitem', { name: 'Current version, from say' }).click()
  await page.getByRole('heading', { name: 'Completed' }).waitFor()
  await page.getByText(`re-run of ${id}`).waitFor()
  await page.keyboard.press('c')
  await page.waitForURL(/compare/)
  await page.getByText('1 of 2 steps differ.').waitFor()
})

it('labels by keyboard', async () => {
  const { page } = visitor
  const task = await server.task({ step_configs: { say: echo('hello') }, steps: ['say'] })
  const { trajectory_id: id } = await server.start(task)
  await server.until(task, id, ({ ended }) => ended)
  await open(task, id)
  await page.getByRole('heading', { name: 'Completed' }).waitFor()
  await page.keyboard.press('l')
  await page.locator('input:focus').waitFor()
  await page.keyboard.type('quality: high')
  await page.keyboard.press('Enter')
  await page.getByText('quality: high').waitFor()
  expect((await server.get(task, id)).labels).toMatchObject([{ key: 'quality', value: 'high' }])
})

it('cancels a run', async () => {
  const { page } = visitor
  const task = await server.task({ step_configs: { nap: { activity: 'sleep', seconds: 600 } }, steps: ['nap'] })
  const { trajectory_id: id } = await server.start(task)
  await open(task, id)
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await page.getByText(`jetty runs cancel acme/${task}/${id}`).waitFor()
  await page.getByRole('button', { name: 'Cancel the run' }).click()
  await page.getByRole('heading', { name: 'Cancelled' }).waitFor()
})

it('compares two runs', async () => {
  const { page } = visitor
  const task = await server.task({
    init_params: { topic: 'harbours' },
    step_configs: {
      same: echo('always'),
      line: { activity: 'text_template', template: 'A line about {{topic}}', topic_path: 'init_params.topic' },
    },
    steps: ['same', 'line'],
  })
  const runs = [{}, { topic: 'ports' }].map((init_params) => server.start(task, { init_params }))
  const [one, other] = (await Promise.all(runs)).map(({ trajectory_id }) => trajectory_id as string)
  for (const id of [one, other]) await server.until(task, id ?? '', ({ ended }) => ended)
  await page.goto(`/-/compare?run=acme/${task}/${one}&run=acme/${task}/${other}`)
  await page.getByText('1 of 2 steps differ.').waitFor()
  await page.getByRole('button', { name: 'line' }).click()
  await page.locator('ins', { hasText: 'ports' }).first().waitFor()
  await page.getByLabel('differences only').uncheck()
  await page.getByRole('rowheader', { name: 'same' }).waitFor()
  expect(withoutAnswers(visitor.faults)).toEqual([])
})
