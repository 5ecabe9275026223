// Every workflow of examples/ as it stands there: it is accepted, runs to its end, and every path in it leads somewhere.
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completion } from '../../fakes/openai.ts'
import { startPublicSite } from '../../fakes/public-site.ts'
import { type FakeReplicate, startFakeReplicate } from '../../fakes/replicate.ts'
import { json, startWireServer, type WireAsked, type WireServer } from '../../fakes/wire-server.ts'
import { testMedia } from '../../media.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { openWarehouse, type Warehouse } from '../../warehouse.ts'

const folder = new URL('../../../examples/', import.meta.url)
const pngText = testMedia.png.toString('base64')

const invoice =
  '{"is_invoice": true, "vendor": "Ada", "number": "7", "total": 80, "currency": "EUR", "due": "2026-12-03"}'
const researched =
  '{"answer": "Jet.", "claims": [{"claim": "It is old.", "page": "Whitby", "quote": "a port"}], "is_answered": true}'

/** What a model says to a question of the examples: a verdict in the form that is asked for, JSON, or words. */
const saidTo = ({ messages, response_format: format }: Body): string => {
  const prompt = JSON.stringify(messages)
  const [, label] = /exactly one of these labels: \\+"([^"\\]+)/.exec(prompt) ?? []
  if (label) return `{"label": "${label}"}`
  if (prompt.includes('pages that you have read')) return researched
  if (prompt.includes('this job ad fit the wish')) return '{"score": 5, "missing": ["a salary"]}'
  if (prompt.includes('Answer yes or no')) return '{"label": "yes", "explanation": "It is there."}'
  const dimensions = '"dimensions": {"correctness": 4, "clarity": 4, "brevity": 4}'
  if (prompt.includes('Give a score')) return `{"score": 4, "explanation": "Good.", ${dimensions}}`
  if (prompt.includes('support ticket')) return '{"topic": "delivery", "urgency": 3}'
  if (prompt.includes('You read mails')) return invoice
  if (format) return '{"summary": "All of it, in short.", "keywords": ["rope", "boat"], "entities": ["Ada", "Whitby"]}'
  return 'The words of a model.'
}

/** A call of the first tool, where one is offered and none was called. */
const toolCallTo = ({ tools, messages }: Body): Record<string, unknown> | undefined => {
  if (!tools || messages.some(({ role }: Body) => role === 'tool')) return undefined
  const given: Record<string, object> = {
    query_orders: { expression: '$count(orders)' },
    search_pages: { query: { q: 'jet', limit: 5 } },
  }
  const { name } = tools[0].function
  const called = { name, arguments: JSON.stringify(given[name]) }
  const message = { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: called }] }
  return { choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }
}

const asOpenAi = ({ path, body }: WireAsked) => {
  if (path.endsWith('/chat/completions')) return json(completion(body.model, saidTo(body), toolCallTo(body)))
  if (path.endsWith('/images/generations')) return json({ data: [{ b64_json: pngText }] })
  const data = body.input.map((text: string, index: number) => ({ index, embedding: [text.length, 0.5] }))
  return json({ data, model: body.model, usage: { prompt_tokens: 9, total_tokens: 9 } })
}

const asGemini = (asked: WireAsked) => {
  if (!asked.path.includes(':generateContent')) return asOpenAi(asked)
  const parts = [{ text: 'Here it is.' }, { inlineData: { mimeType: 'image/png', data: pngText } }]
  const candidates = [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }]
  return json({ candidates, usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 9, totalTokenCount: 14 } })
}

let openai: WireServer
let gemini: WireServer
let replicate: FakeReplicate
let site: WireServer
let warehouse: Warehouse
let jetty: TestServer
beforeAll(async () => {
  ;[openai, gemini, replicate, site, warehouse] = await Promise.all([
    startWireServer(asOpenAi),
    startWireServer(asGemini),
    startFakeReplicate(),
    startPublicSite(),
    openWarehouse(),
  ])
  const image = replicate.file(testMedia.webp, 'image/webp')
  const video = replicate.file(testMedia.mp4, 'video/mp4')
  const painted = replicate.file(testMedia.png, 'image/png')
  replicate.predicts(({ duration, width }) => ({ output: duration ? video : [width ? painted : image], polls: 1 }))
  jetty = await startTestServer({
    env: {
      OPENAI_BASE_URL: `${openai.url}/v1`,
      GEMINI_BASE_URL: `${gemini.url}/v1beta`,
      REPLICATE_BASE_URL: replicate.url,
      JETTY_ALLOW_PRIVATE_NETWORK: `${new URL(site.url).host},${warehouse.host}`,
      JETTY_TRANSFORM_SECONDS: '120',
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: {
      OPENAI_API_KEY: 'sk-unmistakable-examples-71c6',
      GEMINI_API_KEY: 'AIza-unmistakable-examples-02bd',
      REPLICATE_API_TOKEN: 'r8_unmistakable_examples_9e4f',
      WAREHOUSE: warehouse.urlOf(warehouse.reader),
      REPORT_WEBHOOK: `${site.url}/hook?token=unmistakable-examples-hook`,
    },
  })
})
afterAll(async () => {
  await jetty?.close()
  await Promise.all([openai?.close(), gemini?.close(), replicate?.close(), site?.close(), warehouse?.close()])
})

const text = { 'notes.md': 'Coil the rope. Then tie up the boat.' }
const photo = { 'photo.png': testMedia.png }
const stored = (type: string) => [{ path: expect.stringMatching(/^acme\//), content_type: type }]

/** What is sent with each, and what comes out of which step. */
interface Expected {
  /** In the place of its own `init_params` of these names. */
  params?: Record<string, unknown>
  /** The parameter that is a URL, and its path at the public site. */
  site?: [parameter: string, path: string]
  files?: Record<string, string | Buffer>
  /** The example that it runs for each item. */
  child?: string
  outputs: Record<string, object>
}
const expected: Record<string, Expected> = {
  'analyze-chunk': { outputs: { analysis: { summary: 'All of it, in short.', entities: ['Ada', 'Whitby'] } } },
  'batch-processor': {
    child: 'process-single-item',
    outputs: {
      each: { total: 3, completed: 3, failed: 0 },
      answers: {
        extracted_data: ['a rope', 'a boat', 'a lantern'].map((item) => ({ item, answer: 'The words of a model.' })),
      },
      report: { text: '3 of 3 items are done.' },
    },
  },
  'best-of-three': { outputs: { score: { average_score: 4, score: null }, pick: { label: 'first_best' } } },
  'cat-detector': { files: photo, outputs: { judge: { score: 4, label: null } } },
  'cat-maker': { outputs: { paint: { images: stored('image/png') }, sign: { images: stored('image/png') } } },
  'classify-ticket': { outputs: { classify: { topic: 'delivery', urgency: 3 } } },
  'classify-tickets': {
    files: { 'tickets.jsonl': '{"id": "t-1", "text": "Where is it?"}\n{"id": "t-2", "text": "And mine?"}' },
    child: 'classify-ticket',
    outputs: {
      counts: { result: [{ topic: 'delivery', tickets: 2, urgent: 2 }] },
      table: { file: { extension: 'csv' } },
    },
  },
  conversation: { outputs: { reply: { provider: 'openai' }, title: { provider: 'gemini' } } },
  'document-qa': { files: text, outputs: { check: { label: 'yes', score: 1 } } },
  'document-summarizer': {
    files: text,
    outputs: { summarize: { summary: 'All of it, in short.' }, report: { extension: 'md' } },
  },
  'fan-out-analysis': {
    child: 'analyze-chunk',
    outputs: {
      summaries: { extracted_data: Array(2).fill('All of it, in short.') },
      entities: { extracted_data: ['Ada', 'Whitby', 'Ada', 'Whitby'], count: 2 },
      report: { text: 'The words of a model.' },
    },
  },
  'find-jobs': {
    site: ['board', '/jobs'],
    child: 'judge-job',
    outputs: {
      ads: { pages: 3 },
      jobs: { count: 4, dropped: 1 },
      fitting: { count: 4 },
      table: { file: { extension: 'csv' } },
    },
  },
  'illustrated-text': { outputs: { draw: { images: stored('image/png') }, judge: { score: 4 } } },
  'image-check': { files: photo, outputs: { shows: { label: 'yes' }, quality: { score: 4 } } },
  'image-generation': { outputs: { make: { images: stored('image/webp') }, describe: { finish_reason: 'stop' } } },
  'invoices-to-table': {
    files: { 'mails.jsonl': '{"from": "a@example.com", "date": "2026-11-03", "subject": "Hello", "body": "80 EUR"}' },
    child: 'read-invoice',
    outputs: { invoices: { count: 1 }, table: { file: { extension: 'csv' } } },
  },
  'judge-job': { outputs: { judge: { score: 5, missing: ['a salary'] } } },
  'model-comparison': { outputs: { compare: { label: 'first_better' } } },
  'nightly-report': {
    outputs: { report: { result: { orders: 0, revenue: 0 } }, send: { status_code: 200, body: { ok: true } } },
  },
  'order-desk': { outputs: { ask: { turns: 2, tool_calls: [{ name: 'query_orders', status: 'completed' }] } } },
  'process-single-item': { outputs: { process: { text: 'The words of a model.' } } },
  'publish-or-revise': { outputs: { check: { branch: 'true' }, publish: { extension: 'md' } } },
  'quick-chat': { outputs: { answer: { text: 'The words of a model.' } } },
  'read-invoice': { outputs: { read: { vendor: 'Ada', total: 80 } } },
  'read-page': { site: ['site', ''], outputs: { beginning: { result: { title: 'Jet (gemstone)', is_cut: false } } } },
  refine: { outputs: { again: { turn: 1, ended_by: 'condition' }, save: { extension: 'md' } } },
  'research-agent': {
    site: ['site', ''],
    child: 'read-page',
    outputs: { research: { turns: 2, is_answered: true }, report: { file: { extension: 'html' } } },
  },
  'runbook-then-judge': {
    params: { agent: 'scripted' },
    outputs: { run: { success: true, failure_reason: null }, judge: { score: 4 } },
  },
  'side-by-side': { outputs: { plain: { provider: 'openai' }, thorough: { provider: 'gemini' }, report: {} } },
  'simple-chat': { outputs: { chat: { content: 'The words of a model.' } } },
  'text-echo': { outputs: { echo: { text: 'Nothing is lost.' } } },
  'text-evaluation': {
    outputs: { classify: { label: 'at once', score: null }, score: { dimensions: { clarity: 4 } } },
  },
  'text-vectors': { outputs: { question: { embeddings: [[23, 0.5]] }, texts: { dimensions: 2 } } },
  'video-clip': { outputs: { still: { images: stored('image/png') }, clip: { videos: stored('video/mp4') } } },
}

const names = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.replace('.json', ''))

/** Parameters that are called so. */
const namedPaths = new Map<string, string[]>([
  ['read_text_file', ['file_path']],
  ['list_emit_await', ['items_path']],
  ['extract_from_trajectories', ['trajectory_list_path']],
])

/** The parameters that a config gives by path, those of nested objects included, as they stand in the inputs. */
const byPath = (config: Body, isNested = false): string[] =>
  Object.entries(config).flatMap(([key, value]) => {
    if (key === 'input' || key === 'user_prompt_params') {
      return byPath(value, true).map((inner) => `${key}.${inner}`)
    }
    if (!isNested && namedPaths.get(config.activity)?.includes(key)) return [key]
    if (key.endsWith('_path_expr')) return [key.slice(0, -'_expr'.length)]
    return key.endsWith('_path') ? [key.slice(0, -'_path'.length)] : []
  })

test('each example is expected to do something', () => {
  expect(names.sort()).toEqual(Object.keys(expected).sort())
})

const workflowOf = (name: string): Body => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))

test.each(Object.entries(expected))('%s', async (name, { site: at, files = {}, child, outputs, ...more }) => {
  if (child) await jetty.call('POST', '/api/v1/tasks/acme', { name: child, workflow: workflowOf(child) })
  const workflow = workflowOf(name)
  expect(workflow.name).toBe(name)
  const params = at ? { [at[0]]: site.url + at[1] } : more.params
  const run = await jetty.run(workflow, params ? { init_params: params } : {}, files)
  expect([run.status, run.error]).toEqual(['completed', null])
  expect(Object.keys(run.steps)).toEqual(workflow.steps)
  for (const [step, some] of Object.entries(outputs)) expect(run.steps[step].outputs, step).toMatchObject(some)
  for (const step of workflow.steps) {
    const { [step]: config } = workflow.step_configs
    for (const parameter of byPath(config))
      expect(run.steps[step].inputs, `${step}.${parameter}`).toHaveProperty(parameter)
  }
  expect(JSON.stringify(run)).not.toContain(';base64,')
  const { events } = (await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?level=warning`)).body
  const old = name === 'document-summarizer' ? 1 : 0 // user_prompt_template is an old name, and the example shows it
  const ofMachine = / is what this machine has, / // what a sandbox finds here is not the example's
  expect(events.map((one: Body) => one.message).filter((message: string) => !ofMachine.test(message))).toHaveLength(old)
})

test('an image that a step made can be downloaded, and went to the next model as a whole', async () => {
  const workflow = workflowOf('image-generation')
  openai.asked.length = 0
  const run = await jetty.run(workflow)
  const { path } = run.steps.make.outputs.images[0]
  const answer = await fetch(`${jetty.url}/api/v1/file/${path}`, {
    headers: { authorization: `Bearer ${jetty.server.adminToken}` },
  })
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(testMedia.webp)
  expect(answer.headers.get('content-type')).toBe('image/webp')
  expect(openai.asked[0]?.body.messages[0].content[1].image_url.url).toBe(
    `data:image/webp;base64,${testMedia.webp.toString('base64')}`,
  )
})
