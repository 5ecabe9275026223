// What the platform's skill page says of steps that ask models (contract 6.1, 5.1, 5.2), row by row, and jetty_chat (7.1).
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect } from 'vitest'
import { completion } from '../fakes/openai.ts'
import { type FakeReplicate, startFakeReplicate } from '../fakes/replicate.ts'
import { json, startWireServer, type WireServer } from '../fakes/wire-server.ts'
import { testMedia } from '../media.ts'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let openai: WireServer
let gemini: WireServer
let replicate: FakeReplicate
let server: CompatServer
let client: Client
let says = (_body: Body): string => 'Hello from a model'
beforeAll(async () => {
  const parts = [{ inlineData: { mimeType: 'image/png', data: testMedia.png.toString('base64') } }]
  openai = await startWireServer(({ body }) => json(completion(body.model, says(body))))
  gemini = await startWireServer(() =>
    json({ candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }] }),
  )
  replicate = await startFakeReplicate()
  replicate.predicts({ output: [replicate.file(testMedia.webp, 'image/webp')] })
  server = await startCompatServer({
    OPENAI_BASE_URL: `${openai.url}/v1`,
    GEMINI_BASE_URL: `${gemini.url}/v1beta`,
    REPLICATE_BASE_URL: replicate.url,
  })
  client = server.client
  await client.json('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: {
      OPENAI_API_KEY: 'sk-unmistakable-compat-5d70',
      GEMINI_API_KEY: 'AIza-unmistakable-compat-1f9c',
      REPLICATE_API_TOKEN: 'r8_unmistakable_compat_e233',
    },
  })
})
afterAll(async () => {
  await server?.close()
  await Promise.all([openai?.close(), gemini?.close(), replicate?.close()])
})

const example = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../examples/${name}.json`, import.meta.url), 'utf8'))
const store = (name: string, workflow: object) =>
  client.json('POST', '/api/v1/tasks/acme', { name, description: '', workflow })
/** Runs a workflow as a new task and gives the trajectory. */
const runs = async (name: string, workflow: object, init = {}, file?: Buffer): Promise<Body> => {
  expect((await store(name, workflow)).status).toBe(201)
  const { body } = await client.form(`/api/v1/run-sync/acme/${name}`, [
    { name: 'init_params', content: JSON.stringify(init) },
    ...(file ? [{ name: 'files', content: file, filename: 'photo.png', type: 'image/png' }] : []),
  ])
  expect([body.status, body.error]).toEqual(['completed', null])
  return body
}
const warningsOf = async ({ workflow_id: id }: Body): Promise<string[]> =>
  (await client.send('GET', `/api/v1/workflows-logs/${id}?level=warning`)).body.events.map((one: Body) => one.message)
const outputs = (run: Body, step: string): Body => run.steps[step].outputs

test('jetty_chat: runs quick-chat with a prompt and a model, and prints the text of the last step', async () => {
  await store('quick-chat', example('quick-chat'))
  const { status, body } = await client.form('/api/v1/run-sync/acme/quick-chat', [
    { name: 'init_params', content: '{\n  "prompt": "hi",\n  "model": "gpt-4o-mini"\n}' },
  ])
  expect([status, body.status]).toEqual([200, 'completed'])
  const [, last] = Object.entries(body.steps as Record<string, Body>).at(-1)!
  expect([last.outputs.text, last.outputs.content]).toEqual(['Hello from a model', 'Hello from a model'])
  expect(openai.asked.at(-1)?.body).toMatchObject({ model: 'gpt-4o-mini', messages: [{ content: 'hi' }] })
})

test('row 65: the templates for chat, image and comparison run as they stand', async () => {
  says = ({ messages }) => (JSON.stringify(messages).includes('Item 2') ? '{"label": "tie"}' : 'Words')
  expect(outputs(await runs('simple-chat', example('simple-chat')), 'chat').text).toBe('Words')
  expect(outputs(await runs('image-generation', example('image-generation')), 'make').images).toHaveLength(1)
  expect(outputs(await runs('model-comparison', example('model-comparison')), 'compare').label).toBe('tie')
})

test('row 65: the templates for fan-out start a run for each item, and find its values by step and output', async () => {
  says = ({ response_format: format }) => (format ? '{"summary": "Short.", "entities": ["Ada"]}' : 'Words')
  await store('process-single-item', example('process-single-item'))
  const batch = await runs('batch-processor', example('batch-processor'))
  const { trajectory_references: references, trajectory_ids: ids } = outputs(batch, 'each')
  expect(references.map((one: Body) => one.trajectory_id)).toEqual(ids)
  expect(references[1]).toEqual({
    trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
    name: 'acme/process-single-item',
    status: 'completed',
    index: 1,
  })
  expect(outputs(batch, 'answers').extracted_data[1]).toEqual({ item: 'a boat', answer: 'Words' })
  await store('analyze-chunk', example('analyze-chunk'))
  const analysis = await runs('fan-out-analysis', example('fan-out-analysis'))
  expect(outputs(analysis, 'summaries').extracted_data).toEqual(Array(ids.length - 1).fill('Short.'))
  expect(outputs(analysis, 'entities').by_key.entities[0]).toEqual(['Ada'])
})

test('row 67: litellm_chat takes prompt and system_prompt; user_prompt is an old name', async () => {
  says = () => 'Fine'
  const chat = (given: object) => ({ step_configs: { chat: { activity: 'litellm_chat', ...given } }, steps: ['chat'] })
  const run = await runs('chat', chat({ prompt: 'Q', system_prompt: 'S', model: 'gpt-4o-mini' }))
  expect(openai.asked.at(-1)?.body.messages).toEqual([
    { role: 'system', content: 'S' },
    { role: 'user', content: 'Q' },
  ])
  expect(await warningsOf(run)).toEqual([])
  const old = await runs('chat-old', chat({ user_prompt: 'Q' }))
  expect(await warningsOf(old)).toEqual([expect.stringMatching(/'user_prompt'.*'prompt'/)])
  expect(openai.asked.at(-1)?.body.messages).toEqual([{ role: 'user', content: 'Q' }])
})

test('row 68: replicate_text2image puts out images[0].path, extension and content_type', async () => {
  const paint = { activity: 'replicate_text2image', model: 'black-forest-labs/flux-schnell', prompt: 'a cat' }
  const made = outputs(await runs('paint', { step_configs: { paint }, steps: ['paint'] }), 'paint')
  expect(made.images[0]).toMatchObject({ extension: 'webp', content_type: 'image/webp' })
  expect([made.storage_path, made.image_url]).toEqual([undefined, undefined])
  const file = await client.send('GET', `/api/v1/file/${made.images[0].path}`)
  expect([file.status, file.type, file.bytes]).toEqual([200, 'image/webp', testMedia.webp])
})

test('row 69: gemini_image_generator puts out images[0].path', async () => {
  const draw = { activity: 'gemini_image_generator', prompt: 'a cat' }
  const made = outputs(await runs('draw', { step_configs: { draw }, steps: ['draw'] }), 'draw')
  expect(made.images[0]).toMatchObject({ extension: 'png', content_type: 'image/png' })
  expect(made.storage_path).toBeUndefined()
  expect((await client.send('GET', `/api/v1/file/${made.images[0].path}`)).bytes).toEqual(testMedia.png)
  expect(gemini.asked.at(-1)?.path).toContain('/models/gemini-2.5-flash-image:generateContent')
})

test('row 70: litellm_vision takes storage paths by image_path_expr and URLs by image_url_path, and mends a mix-up', async () => {
  const look = (given: object) => ({
    init_params: { url: 'https://example.com/cat.png' },
    step_configs: { look: { activity: 'litellm_vision', model: 'gpt-4o', prompt: 'What?', ...given } },
    steps: ['look'],
  })
  const seen = () => openai.asked.at(-1)?.body.messages[0].content[1].image_url.url
  const stored = await runs('look', look({ image_path_expr: 'init_params.file_paths[0]' }), {}, testMedia.png)
  expect([seen(), await warningsOf(stored)]).toEqual([`data:image/png;base64,${testMedia.png.toString('base64')}`, []])
  const linked = await runs('look-url', look({ image_url_path: 'init_params.url' }))
  expect([seen(), await warningsOf(linked)]).toEqual(['https://example.com/cat.png', []])
  const mixed = await runs('look-mixed', look({ image_url_path: 'init_params.file_paths[0]' }), {}, testMedia.png)
  expect(seen()).toMatch(/^data:image\/png/)
  expect(await warningsOf(mixed)).toEqual([expect.stringContaining('image_path_expr')])
})

test('row 71: simple_judge takes item, items and instruction, and an image by item_path', async () => {
  says = () => '{"score": 4, "explanation": "So it is."}'
  const judge = (given: object) => ({
    step_configs: { judge: { activity: 'simple_judge', instruction: 'Good?', ...given } },
    steps: ['judge'],
  })
  const one = outputs(await runs('judge', judge({ item: 'A text' })), 'judge')
  expect(one.results[0]).toMatchObject({ score: 4, explanation: 'So it is.', raw_result: says({}) })
  expect(outputs(await runs('judge-two', judge({ items: ['A', 'B'] })), 'judge').results).toHaveLength(2)
  await runs('judge-image', judge({ item_path: 'init_params.file_paths[0]' }), {}, testMedia.png)
  expect(JSON.stringify(openai.asked.at(-1)?.body)).toContain(testMedia.png.toString('base64'))
})

test('row 72: score_range with judge_type categorical gives labels, not scores', async () => {
  says = () => '{"label": "4", "explanation": "So it is."}'
  const judge = {
    activity: 'simple_judge',
    item: 'A text',
    instruction: 'Good?',
    judge_type: 'categorical',
    score_range: { min: 1, max: 5 },
  }
  const judged = outputs(await runs('labels', { step_configs: { judge }, steps: ['judge'] }), 'judge')
  expect(judged).toMatchObject({ label: '4', score: null, average_score: null })
  says = () => '{"score": 4}'
  const { judge_type: _, ...scored } = judge
  expect(outputs(await runs('scores', { step_configs: { judge: scored }, steps: ['judge'] }), 'judge').score).toBe(4)
})
