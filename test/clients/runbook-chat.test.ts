// Runbooks through the client of OpenAI for JavaScript, as it is on npm, carried out in real sandboxes.
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { openPythonClient, type PythonClient } from './python.ts'

const runbook = `---
version: "1.0.0"
evaluation: programmatic
agent: scripted
primary_outputs:
  - greeting.txt
---
# Greet

Say hello to {{name}}.

\`\`\`sh
mkdir -p {{results_dir}}/deep
echo "Hello, {{name}}" > {{results_dir}}/greeting.txt
cat /app/uploads/case.json > {{results_dir}}/deep/case.json
echo '{"overall_passed": true}' > {{results_dir}}/validation_report.json
\`\`\`
`

let jetty: TestServer
let key: string
let python: PythonClient
beforeAll(async () => {
  python = openPythonClient()
  jetty = await startTestServer()
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'client', collection_name: 'acme' })).body.api_key
}, 180_000)
afterAll(() => {
  python?.close()
  return jetty?.close()
})

const clientAt = (base: string, apiKey = key): OpenAI =>
  new OpenAI({ apiKey, baseURL: jetty.url + base, maxRetries: 0 })
const upload = async (): Promise<string> => {
  const form = new FormData()
  form.append('collection', 'acme')
  form.append('file', new File(['{"a":1}'], 'case.json'))
  return (await jetty.call('POST', '/api/v1/files/upload', form, key)).body.path
}
const asked = async (task: string) => ({
  model: 'scripted',
  messages: [
    { role: 'system' as const, content: runbook },
    { role: 'user' as const, content: 'Execute the runbook.' },
  ],
  jetty: { collection: 'acme', task, template_variables: { name: 'Ada' }, file_paths: [await upload()] },
})
const fileOf = async (run: Body, name: string): Promise<Body> => {
  const file = run.steps.run.outputs.results_files.find((one: Body) => one.relative_path === name)
  return (await jetty.call('GET', `/api/v1/file/${file?.path}`, undefined, key)).body
}

describe.each(['/v1', ''])('at the base URL <origin>%s', (base) => {
  it('carries a runbook out and answers with its end', async () => {
    const answer = (await clientAt(base).chat.completions.create(await asked('greet'))) as Body
    expect(answer.jetty_metadata, JSON.stringify(answer)).toMatchObject({ status: 'completed', task: 'greet' })
    const { body: run } = await jetty.call('GET', answer.jetty.poll_url, undefined, key)
    expect(run.steps.run.outputs).toMatchObject({ success: true, agent: 'scripted', results_dir: '/app/results' })
    expect(await fileOf(run, 'greeting.txt')).toBe('Hello, Ada\n')
    expect(await fileOf(run, 'deep/case.json')).toEqual({ a: 1 })
  })

  it('streams what happens', async () => {
    const stream = await clientAt(base).chat.completions.create({ ...(await asked('stream')), stream: true })
    const chunks: Body[] = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks[0]?.jetty_metadata).toMatchObject({ status: 'running', task: 'stream' })
    expect(chunks.at(-1)).toMatchObject({
      choices: [{ finish_reason: 'stop' }],
      jetty_metadata: { status: 'completed', trajectory_id: chunks[0]?.trajectory_id },
    })
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
    expect(text).toContain("Step 'run' completed")
  })
})

it('carries one out for the client for Python at the bare origin, whole and as a stream', async () => {
  const call = (name: string) => python.call(jetty.url, key, name)
  const [{ result: whole }, { result: streamed }] = await Promise.all([call('runbook'), call('streamed_runbook')])
  const [id, ...same] = whole.ids
  expect([whole.status, same]).toEqual(['completed', [id.replace('chatcmpl-', ''), id.replace('chatcmpl-', '')]])
  expect(streamed).toMatchObject({ first: 'running', last: 'completed' })
  expect(streamed.text).toContain("Step 'run' completed")
  expect(streamed.events).toEqual(expect.arrayContaining(['step', 'agent_tool_call', 'model_call', 'end']))
})

describe('what is refused is thrown as the client has it', () => {
  const refused = async (block: Body, apiKey = key): Promise<unknown> => {
    const body = { ...(await asked('never')), stream: true as const }
    const jettyBlock = { ...body.jetty, ...block }
    return clientAt('/v1', apiKey)
      .chat.completions.create({ ...body, jetty: jettyBlock } as typeof body)
      .catch((error: unknown) => error)
  }

  it.each<[string, Body, string]>([
    ['UnprocessableEntityError', { agent: 'hermes' }, 'claude-code, codex, gemini-cli, opencode, scripted'],
    ['UnprocessableEntityError', { agent: 'codex' }, 'OPENAI_API_KEY'],
    ['NotFoundError', { collection: 'nowhere' }, 'Collection not found'],
  ])('%s for %j', async (name, block, words) => {
    const error = (await refused(block)) as Error
    expect([error.constructor.name, error.message]).toEqual([name, expect.stringContaining(words)])
  })

  it('a key that may only read, and one that nobody knows', async () => {
    const fields = { name: 'reader', collection_name: 'acme', access_level: 'READ' }
    const reader = (await jetty.call('POST', '/api/v1/api-keys', fields)).body.api_key
    expect(await refused({}, reader)).toBeInstanceOf(OpenAI.PermissionDeniedError)
    expect(await refused({}, `mlc_${'0'.repeat(32)}`)).toBeInstanceOf(OpenAI.AuthenticationError)
  })

  it('the client for Python too', async () => {
    expect(await python.call(`${jetty.url}/v1`, key, 'unknown_agent')).toMatchObject({
      error: 'UnprocessableEntityError',
      status: 422,
      text: expect.stringContaining('hermes'),
    })
  })

  it('starts nothing, and makes no task', async () => {
    expect((await jetty.call('GET', '/api/v1/tasks/acme/never')).status).toBe(404)
  })
})
