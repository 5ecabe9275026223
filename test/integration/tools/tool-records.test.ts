// A chat step with tools that is replayed, cached, rerun or cancelled, and what runs of tasks count for its limits.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { pause } from '../../../src/lib/time.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { callsTools, inTurns, type ToolAsked } from '../../fakes/tool-turns.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const model = 'gpt-4o-mini'
/** What one call of the fake costs. */
const callUsd = 0.00021

let looked = 0
let held = 0
let stopped = 0

const look = activity({
  name: 'look',
  category: 'data',
  description: 'Looks something up.',
  parameters: z.object({}),
  outputs: z.object({ text: z.string() }),
  example: {},
  async run() {
    looked++
    return { text: '42' }
  },
})
const hold = activity({
  name: 'hold',
  category: 'data',
  description: 'Works until it is stopped.',
  parameters: z.object({}),
  outputs: z.object({}),
  example: {},
  async run(_, { signal }) {
    held++
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    stopped++
    return {}
  },
})

let openai: FakeOpenAi
let jetty: TestServer
beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({
    activities: [look, hold],
    env: { OPENAI_BASE_URL: openai.url, JETTY_ALLOW_PRIVATE_NETWORK: new URL(openai.url).host },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-of-tool-records-3c1' },
  })
})
afterEach(() => {
  openai.asked.length = 0
  openai.choose(undefined)
  looked = held = stopped = 0
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

/** Prepares a chat step with tools whose model makes these calls in its first turn. */
const asking = (calls: ToolAsked[], config: object) => {
  openai.say('Done.')
  const turns = inTurns(callsTools(model, ...calls))
  openai.choose((body) => (body.tools ? turns(body) : undefined))
  return {
    step_configs: { ask: { activity: 'litellm_chat', model, prompt: 'How much?', ...config } },
    steps: ['ask'],
  }
}
const looking = { tools: [{ activity: 'look' }] }

const again = async ({ task, trajectory_id: id }: Body, body: object): Promise<Body> => {
  const answer = await jetty.call('POST', `/api/v1/trajectory/acme/${task}/${id}/rerun`, body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return jetty.until(task, (answer.body as Body).trajectory_id, (run) => run.ended !== null)
}

describe('a conversation that has ended', () => {
  it('is replayed without the model and its tools, and rerun with both', async () => {
    const first = await jetty.run(asking([['look', {}]], looking))
    expect([first.status, looked, openai.asked.length]).toEqual(['completed', 1, 2])
    const replayed = await again(first, { mode: 'replay' })
    expect([replayed.status, looked, openai.asked.length]).toEqual(['completed', 1, 2])
    expect(replayed.steps.ask.outputs).toEqual(first.steps.ask.outputs)
    const repeated = await again(first, { from_step: 'ask' })
    expect([repeated.status, looked, openai.asked.length]).toEqual(['completed', 2, 4])
    expect(openai.asked[2]?.body).toEqual(openai.asked[0]?.body)
  })

  it('is taken from the cache for the same inputs', async () => {
    const workflow = asking([['look', {}]], { ...looking, options: { cache: true } })
    const first = await jetty.run(workflow)
    const second = await jetty.run(workflow)
    expect([second.status, second.steps.ask.origin?.kind]).toEqual(['completed', 'cache'])
    expect(second.steps.ask.outputs).toEqual(first.steps.ask.outputs)
    expect([looked, openai.asked.length]).toEqual([1, 2])
  })
})

describe('a run that is cancelled', () => {
  const cancelled = async (tools: object[], call: ToolAsked): Promise<Body> => {
    const task = await jetty.task(asking([call], { tools }))
    const { trajectory_id: id } = await jetty.start(task)
    while (held === 0) await pause(10)
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    const run = await jetty.until(task, id, (one) => one.ended !== null)
    while (stopped === 0) await pause(10)
    return run
  }

  it('ends a tool at work, and asks the model no more', async () => {
    const run = await cancelled([{ activity: 'hold' }], ['hold', {}])
    expect([run.status, run.steps.ask.status]).toEqual(['cancelled', 'cancelled'])
    expect([held, openai.asked.length]).toEqual([1, 1])
  })

  it('ends the run of a task', async () => {
    const task = await jetty.task({ init_params: {}, step_configs: { wait: { activity: 'hold' } }, steps: ['wait'] })
    const run = await cancelled([{ task }], [task, {}])
    expect([run.status, run.steps.ask.status]).toEqual(['cancelled', 'cancelled'])
    expect([held, openai.asked.length]).toEqual([1, 1])
  })
})

describe('the model calls in a run of a task', () => {
  const withTask = async (bounds: object): Promise<Body> => {
    const sum = { activity: 'litellm_chat', model, prompt: 'Sum up.' }
    const task = await jetty.task({ init_params: {}, step_configs: { sum }, steps: ['sum'] })
    return jetty.run(asking([[task, {}]], { tools: [{ task }], ...bounds }))
  }

  it.each([
    ['max_cost_usd', { max_cost_usd: 2 * callUsd }],
    ['max_total_tokens', { max_total_tokens: 2200 }],
  ])('count for %s', async (name, bounds) => {
    const run = await withTask(bounds)
    expect(run.status).toBe('failed')
    expect(run.steps.ask.error_detail.hint).toContain(name)
    expect(openai.asked).toHaveLength(2)
  })

  it('are shown with the call, and are usage of that run only', async () => {
    const { steps, status } = await withTask({})
    expect(status).toBe('completed')
    expect(steps.ask.outputs.tool_calls[0].cost_usd).toBeCloseTo(callUsd, 9)
    expect(steps.ask.outputs.usage.total_tokens).toBe(2200)
    expect(steps.ask.usage.total_tokens).toBe(2200)
    expect(steps.ask.outputs.cost_usd).toBeCloseTo(2 * callUsd, 9)
  })
})
