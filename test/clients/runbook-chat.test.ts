// Runbooks through the client of OpenAI for JavaScript, as it is on npm, carried out in real sandboxes.
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../server.ts'

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
beforeAll(async () => {
  jetty = await startTestServer()
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'client', collection_name: 'acme' })).body.api_key
})
afterAll(() => jetty?.close())

const clientAt = (base: string): OpenAI => new OpenAI({ apiKey: key, baseURL: jetty.url + base, maxRetries: 0 })
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
