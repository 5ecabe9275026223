import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

let openai: FakeOpenAi
let jetty: TestServer
beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url, OPENROUTER_BASE_URL: openai.url } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-judge-4f1c9b7e2a', OPENROUTER_API_KEY: 'sk-or-judge-81d2c6a0f3' },
  })
})
beforeEach(() => {
  openai.asked.length = 0
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

const example = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../examples/${name}.json`, import.meta.url), 'utf8'))
const judging = (given: Record<string, unknown>) => ({
  init_params: { item: 'A text.' },
  step_configs: {
    judge: { activity: 'simple_judge', item_path: 'init_params.item', instruction: 'Is it clear?', ...given },
  },
  steps: ['judge'],
})
const promptOf = (body: Body): string => JSON.stringify(body.messages)
const warningsOf = async (run: Body): Promise<Body[]> =>
  (await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?level=warning`)).body.events

describe('the example', () => {
  it('text-evaluation judges a text that comes through items_path, by labels and by scores', async () => {
    openai.say((body) => {
      if (promptOf(body).includes('at the first reading')) return 'With effort: the second sentence is long.'
      if (!promptOf(body).includes('dimensions')) return 'Ice is lighter.'
      return '```json\n{"explanation": "Right.", "dimensions": {"correctness": 9, "clarity": 8, "brevity": 7}, "score": 8}\n```'
    })
    const run = await jetty.run(example('text-evaluation'))
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(run.steps.classify.outputs).toMatchObject({
      label: 'with effort',
      score: null,
      results: [{ read_as: 'text' }],
    })
    expect(run.steps.score.outputs).toMatchObject({
      score: 8,
      average_score: 8,
      explanation: 'Right.',
      dimensions: { correctness: 9, clarity: 8, brevity: 7 },
      usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
    })
    expect(run.steps.score.outputs.cost_usd).toBeGreaterThan(0)
    expect(run.steps.score.inputs.items).toBe('Ice is lighter.')
  })

  it('model-comparison resolves the paths in items and compares them in one call', async () => {
    openai.say((body) => (promptOf(body).includes('Item 2') ? '{"label": "second_better"}' : `By ${body.model}`))
    const run = await jetty.run(example('model-comparison'))
    expect(run.steps.compare.outputs).toMatchObject({ label: 'second_better', results: [{ item_index: 0 }] })
    expect(run.steps.compare.depends_on).toEqual(expect.arrayContaining(['first', 'second']))
    expect(openai.asked).toHaveLength(3)
    for (const text of ['By gpt-4o-mini', 'By gpt-4.1-mini']) expect(promptOf(openai.asked[2]!.body)).toContain(text)
  })

  it('image-check shows the model a file of the run, and records its path alone', async () => {
    openai.say((body) => (promptOf(body).includes('yes or no') ? '{"label": "yes"}' : '{"score": 2}'))
    const run = await jetty.run(example('image-check'), {}, { 'cat.png': png })
    expect(run.steps.shows.outputs).toMatchObject({ label: 'yes', score: 1 })
    expect(run.steps.quality.outputs).toMatchObject({ score: 2 })
    const uri = `data:image/png;base64,${png.toString('base64')}`
    for (const { body } of openai.asked) {
      expect(body.messages[1].content).toContainEqual({ type: 'image_url', image_url: { url: uri } })
    }
    expect(run.steps.shows.inputs.item).toMatch(/^acme\/.*\.png$/)
    expect(JSON.stringify(run)).not.toContain(png.toString('base64').slice(0, 40))
  })
})

it('an instruction with a JSON format of its own is answered in it, through the provider that was named', async () => {
  const raw =
    '{"score": 2, "explanation": "It promises a refund.", "dimensions": {"policy": 1}, "policy_violation": true}'
  openai.say(raw)
  const run = await jetty.run(
    judging({
      instruction:
        'Grade the reply. Return ONLY JSON: {"score": 1-5, "explanation": "", "dimensions": {}, "policy_violation": false}',
      judge_type: 'scale',
      scale_range: [1, 5],
      model: 'anthropic/claude-sonnet-5',
      model_provider: 'openrouter',
      temperature: 0.2,
      with_explanation: true,
    }),
    { init_params: { item: 'Your refund is done.' } },
  )
  expect(run.steps.judge.outputs).toMatchObject({
    average_score: 2,
    results: [{ score: 2, explanation: 'It promises a refund.', raw_result: raw }],
  })
  expect(openai.asked[0]).toMatchObject({
    headers: { authorization: 'Bearer sk-or-judge-81d2c6a0f3' },
    body: { model: 'anthropic/claude-sonnet-5', temperature: 0.2 },
  })
})

it('the model is asked in JSON mode, and in words alone where it refuses the mode', async () => {
  openai.say('4 of 5')
  openai.script({ status: 400, body: { error: { message: "'response_format' is not supported with this model." } } })
  const model = 'gpt-without-json-mode'
  const first = await jetty.run(judging({ model }))
  const second = await jetty.run(judging({ model }))
  await jetty.run(judging({ model: 'gpt-4o' }))
  expect([first, second].map((run) => run.steps.judge.outputs.score)).toEqual([4, 4])
  const json = { type: 'json_object' }
  expect(openai.asked.map(({ body }) => body.response_format)).toEqual([json, undefined, undefined, json])
  expect(await warningsOf(first)).toEqual([])
})

it('old names are taken, with a warning each', async () => {
  openai.say('4')
  const run = await jetty.run({
    step_configs: {
      judge: { activity: 'simple_judge', content: 'A text.', criteria: 'Is it clear?', explanation_required: false },
    },
    steps: ['judge'],
  })
  expect(run.steps.judge.outputs).toMatchObject({ score: 4, explanation: null })
  expect(run.steps.judge.inputs).toMatchObject({
    item: 'A text.',
    instruction: 'Is it clear?',
    with_explanation: false,
  })
  expect((await warningsOf(run)).map((one) => one.message)).toHaveLength(3)
})

it('an answer that cannot be read is asked for once more; twice, and the run fails with what was said', async () => {
  openai.say('This is rather good, I would say.')
  const run = await jetty.run(judging({}))
  expect(run.status).toBe('failed')
  expect(run.error).toContain("Step 'judge' failed: simple_judge: the answer of gpt-4o")
  expect(run.error).toContain('It said: This is rather good, I would say.')
  expect(openai.asked).toHaveLength(2)
  expect((await warningsOf(run)).find((one) => one.message.includes('asked once more'))).toMatchObject({
    attributes: { raw_result: 'This is rather good, I would say.' },
  })
})

it('without an instruction, or without an item, nothing is asked, and the error names the parameters', async () => {
  const missing = { activity: 'simple_judge', item: 'x' }
  const first = await jetty.run({ step_configs: { judge: missing }, steps: ['judge'] })
  expect(first.error).toContain('instruction is required, a parameter of simple_judge')
  const second = await jetty.run({ ...judging({}), init_params: {} })
  expect(second.error).toContain("simple_judge needs the parameter 'item' or 'items'")
  const third = await jetty.run({ step_configs: { judge: { activity: 'simple_judge' } }, steps: ['judge'] })
  expect(third.error).toContain('instruction is required, a parameter of simple_judge')
  expect(third.error).toContain("'item' or 'items' is also required")
  expect(openai.asked).toEqual([])
})
