// A parameter that the task of a child run does not have is named in the log of the step that gives it, as in answers to requests.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let child: string
beforeAll(async () => {
  jetty = await startTestServer()
  child = await jetty.task({
    init_params: { language: 'English', item: null, title: '' },
    step_configs: { echo: { activity: 'text_echo', text_path: 'init_params.language' } },
    steps: ['echo'],
  })
})
afterAll(() => jetty?.close())

const logsOf = async (config: Record<string, unknown>) => {
  const { status, steps } = await jetty.run({
    init_params: {},
    step_configs: { start: config },
    steps: ['start'],
  } as never)
  expect(status).toBe('completed')
  return steps.start.logs ?? []
}
const fanOut = (more: Record<string, unknown>) => ({
  activity: 'list_emit_await',
  child_workflow_name: child,
  items_path: ['a', 'b'],
  ...more,
})

test.each([
  ['run_workflow', () => ({ activity: 'run_workflow', workflow_name: child, init_params: { langauge: 'German' } })],
  ['list_emit_await', () => fanOut({ child_init_params: { langauge: 'German' } })],
  ['items that are spread', () => fanOut({ items_path: [{ title: 'a' }, { langauge: 'b' }], spread_items: true })],
])('%s', async (_, config) => {
  expect(await logsOf(config())).toMatchObject([
    {
      level: 'warning',
      message: `Task '${child}' has no parameter 'langauge', and its runs do not use it; did you mean 'language'?`,
    },
  ])
})

test('an item that the task has no parameter for', async () => {
  const logs = await logsOf(fanOut({ item_param_name: 'titel' }))
  expect(logs).toMatchObject([{ message: expect.stringContaining("did you mean 'title'?") }])
})

test('nothing is said of what the task has, and of files', async () => {
  expect(await logsOf(fanOut({ child_init_params: { language: 'German', file_paths: [] } }))).toEqual([])
})

test('a batch says it in its answer alone', async () => {
  const items = [{ langauge: 'German' }]
  const { body } = await jetty.call('POST', `/api/v1/run-batch/acme/${child}`, { items })
  expect(body.warnings).toMatchObject([{ did_you_mean: 'language' }])
  const done = await jetty.until('_batch', body.batch_id, ({ status }) => status === 'completed')
  expect(done.steps.runs.logs).toBeUndefined()
})
