import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { evaluated, judges, modelKey, questions } from './evaluating.ts'

let openai: FakeOpenAi
let jetty: TestServer
/** What the fake has counted: input and output tokens by model. */
let billed = new Map<string, { input: number; output: number }>()

beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: modelKey },
  })
  let drawn = 7
  const random = () => {
    drawn = (drawn * 1_103_515_245 + 12_345) % 2_147_483_648
    return drawn / 2_147_483_648
  }
  openai.choose((body) => {
    const usage = {
      prompt_tokens: 200 + Math.floor(400 * random()),
      completion_tokens: Math.ceil(1_500 * random() ** 2),
    }
    const sum = billed.get(body.model) ?? { input: 0, output: 0 }
    billed.set(body.model, { input: sum.input + usage.prompt_tokens, output: sum.output + usage.completion_tokens })
    const text = JSON.stringify(body.messages).includes('impartial judge')
      ? '{"explanation": "So it is.", "score": 8, "label": "yes"}'
      : 'An answer.'
    const more = { usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens } }
    return { body: completion(body.model, text, more) }
  })
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

const workflow = (model: string, text = 'Answer.') => ({
  init_params: { question: '' },
  step_configs: {
    answer: { activity: 'litellm_chat', model, system_prompt: text, prompt_path: 'init_params.question' },
  },
  steps: ['answer'],
})
const make = (name: string, model = 'gpt-4o-mini') =>
  jetty.call('POST', '/api/v1/tasks/acme', { name, workflow: workflow(model) })
const estimate = (task: string, body: object = {}) => jetty.call('POST', `/api/v1/estimates/acme/${task}`, body)
const items = (count: number) => Array.from({ length: count }, (_, at) => ({ question: `Question ${at}?` }))
const batch = async (task: string, count: number) => {
  const { body } = await jetty.call('POST', `/api/v1/run-batch/acme/${task}`, { items: items(count) })
  await expect
    .poll(async () => (await jetty.call('GET', `/api/v1/batches/acme/${body.batch_id}`)).body.status, {
      timeout: 60_000,
    })
    .toBe('completed')
  return (await jetty.call('GET', `/api/v1/batches/acme/${body.batch_id}`)).body
}

describe('an estimate', { timeout: 180_000 }, () => {
  it('is unknown before the first run, and names what to do', async () => {
    await make('fresh')
    expect(await estimate('fresh', { count: 5 })).toMatchObject({
      status: 200,
      body: {
        ...{ task: 'fresh', count: 5, reused: 0, cost_usd: null, duration_seconds: null, unknown_calls: 0 },
        parts: [
          { name: 'runs', count: 5, cost_usd: null, basis: null, reason: expect.stringContaining('run it once') },
        ],
      },
    })
    expect(openai.asked).toHaveLength(0)
  })

  it('of a batch is within 15 % of its cost, and its interval holds it, in at least 9 of 10 cases', async () => {
    let near = 0
    let within = 0
    for (let round = 0; round < 10; round++) {
      await make(`answer-${round}`)
      await batch(`answer-${round}`, 60)
      const { body } = await estimate(`answer-${round}`, { count: 150 })
      expect(body).toMatchObject({ count: 150, parts: [{ basis: { runs: 60, same_workflow: true } }] })
      billed = new Map()
      const { cost_usd: cost } = await batch(`answer-${round}`, 150)
      const { input, output } = billed.get('gpt-4o-mini') ?? { input: 0, output: 0 }
      expect(cost).toBeCloseTo((input * 0.15 + output * 0.6) / 1e6, 9)
      if (Math.abs(body.cost_usd.expected - cost) <= 0.15 * cost) near++
      if (cost >= body.cost_usd.low && cost <= body.cost_usd.high) within++
    }
    expect(near).toBeGreaterThanOrEqual(9)
    expect(within).toBeGreaterThanOrEqual(8)
  })

  it('of an evaluation counts its judges, from the last evaluation that had them', async () => {
    await make('judged')
    await batch('judged', 20)
    const asked = { count: 40, judges }
    const unknown = await estimate('judged', asked)
    expect(unknown.body).toMatchObject({
      cost_usd: null,
      parts: [{ name: 'runs', reason: null }, { name: 'clarity', reason: expect.stringContaining("'clarity'") }, {}],
    })
    const evaluate = async () => {
      const { body } = await jetty.call('POST', '/api/v1/evaluations/acme/judged', { items: questions, judges })
      return evaluated(jetty, body.evaluation_id)
    }
    await evaluate()
    const { body } = await estimate('judged', asked)
    expect(body.parts).toMatchObject([
      { name: 'runs', basis: { runs: 60 } },
      { name: 'clarity', count: 40, basis: { runs: 40 } },
      { name: 'polite', count: 40, basis: { runs: 40 } },
    ])
    const { cost_usd: cost } = await evaluate()
    expect(Math.abs(body.cost_usd.expected - cost)).toBeLessThan(0.3 * cost)
    expect(cost).toBeGreaterThan(body.cost_usd.low)
    expect(cost).toBeLessThan(body.cost_usd.high)
  })

  it('is kept with a batch and corrects the next one, when the bills prove higher than the record', async () => {
    await make('learned')
    expect((await batch('learned', 10)).estimate_usd).toBeNull()
    expect((await estimate('learned', { count: 10 })).body.earlier).toBeNull()
    const model = { answer: { ...workflow('gpt-4o-mini').step_configs.answer, model_path: 'init_params.model' } }
    await jetty.call('PUT', '/api/v1/tasks/acme/learned', {
      workflow: {
        ...workflow('gpt-4o-mini'),
        init_params: { question: '', model: 'gpt-4o-mini' },
        step_configs: model,
      },
    })
    await batch('learned', 200)
    const expected = (await estimate('learned', { count: 40 })).body.cost_usd.expected
    for (let round = 0; round < 3; round++) {
      const dear = items(40).map((item) => ({ ...item, model: 'gpt-4o' }))
      const started = await jetty.call('POST', '/api/v1/run-batch/acme/learned', { items: dear })
      await expect
        .poll(async () => (await jetty.call('GET', `/api/v1/batches/acme/${started.body.batch_id}`)).body.status)
        .toBe('completed')
      const { body } = await jetty.call('GET', `/api/v1/batches/acme/${started.body.batch_id}`)
      if (round === 0) expect(body.estimate_usd.expected).toBeCloseTo(expected, 9)
      expect(body.estimate_usd).not.toHaveProperty('raw')
      expect(body.cost_usd).toBeGreaterThan(body.estimate_usd.expected)
    }
    const { body } = await estimate('learned', { count: 40 })
    expect(body.earlier.jobs).toBe(4)
    expect(body.earlier.correction).toBeGreaterThan(1)
    expect(body.earlier.correction).toBeLessThanOrEqual(2)
    expect(body.earlier.largest_error).toBeGreaterThan(1)
    expect(body.cost_usd.expected).toBeCloseTo(body.parts[0].cost_usd * body.earlier.correction, 4)
  })

  it('says how many calls have no price, and whether the recorded runs had another workflow', async () => {
    await make('unpriced', 'openai/model-without-a-price')
    await batch('unpriced', 3)
    expect((await estimate('unpriced', { count: 100 })).body).toMatchObject({
      unknown_calls: 100,
      parts: [{ unknown_calls: 100, cost_usd: 0, basis: { runs: 3, same_workflow: true } }],
    })
    await jetty.call('PUT', '/api/v1/tasks/acme/unpriced', { workflow: workflow('gpt-4o-mini', 'Answer well.') })
    expect((await estimate('unpriced')).body).toMatchObject({ parts: [{ basis: { same_workflow: false } }] })
  })

  it('of a dataset counts its items, and leaves out results that hold', async () => {
    await make('over-dataset')
    await batch('over-dataset', 5)
    await jetty.call('POST', '/api/v1/datasets/acme', { name: 'asked' })
    await jetty.call('POST', '/api/v1/datasets/acme/asked/items', { items: items(7).map((data) => ({ data })) })
    expect(await estimate('over-dataset', { dataset: 'asked' })).toMatchObject({ body: { count: 7, reused: 0 } })
    expect(await estimate('over-dataset', { dataset: 'asked', count: 2 })).toMatchObject({ status: 422 })
    expect(await estimate('over-dataset', { dataset: 'nowhere' })).toMatchObject({ status: 422 })
    expect(await estimate('over-dataset', { count: 0 })).toMatchObject({ status: 422 })
    expect(await estimate('nothing-here')).toMatchObject({ status: 404 })
  })
})
