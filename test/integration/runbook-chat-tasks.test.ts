// A chat that asks for a runbook starts a run of the task that it names, whatever the task is.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [] })
})
afterAll(() => jetty?.close())

const echoing = {
  init_params: { instruction: '# Say it', text: 'Said' },
  step_configs: { say: { activity: 'text_echo', text_path: 'init_params.prompt' } },
  steps: ['say'],
}

const hello = [{ role: 'user', content: 'Hello there' }]
const chat = (block: Body, more: Body = {}, token?: string) =>
  jetty.call(
    'POST',
    '/v1/chat/completions',
    { model: 'gpt-5.5', messages: hello, jetty: { collection: 'acme', ...block }, ...more },
    token,
  )

test('the answer in one piece has the text of the run and its ids, in the body and in headers', async () => {
  const task = await jetty.task(echoing)
  const { status, body, headers } = await chat({ task })
  expect(status).toBe(200)
  const ids = { trajectory_id: body.trajectory_id, workflow_id: body.workflow_id }
  const metadata = { mode: 'runbook', status: 'completed', collection: 'acme', task, ...ids }
  expect(body).toMatchObject({
    id: `chatcmpl-${ids.trajectory_id}`,
    object: 'chat.completion',
    model: 'gpt-5.5',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    jetty_metadata: metadata,
    jetty: metadata,
  })
  expect(headers.get('x-jetty-trajectory-id')).toBe(ids.trajectory_id)
  expect(headers.get('x-jetty-workflow-id')).toBe(ids.workflow_id)
  const polled = await jetty.call('GET', body.jetty_metadata.poll_url)
  expect(polled.body).toMatchObject({
    status: 'completed',
    author: 'admin',
    init_params: {
      agent: null,
      model: 'gpt-5.5',
      model_provider: null,
      snapshot: null,
      instruction: '# Say it',
      prompt: 'Hello there',
      vars: { results_dir: '/app/results' },
      file_paths: [],
    },
  })
})
