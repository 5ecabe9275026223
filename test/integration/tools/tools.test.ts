// Tools in a chat step: what the model may call, what it is told, what is recorded, and where it ends.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { callsTools, inTurns, resultsIn, type ToolAsked } from '../../fakes/tool-turns.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const model = 'gpt-4o-mini'
const secret = 'token-of-the-tools-test-9f1'
const executed: { given: unknown; key: string }[] = []

/** Notes what it is given, and returns what it is asked for. */
const look = activity({
  name: 'look',
  category: 'data',
  description: 'Looks something up.',
  parameters: z.object({
    query: z.string().describe('What to look for.'),
    limit: z.int().optional(),
    token: z.string().optional(),
    size: z.int().optional(),
    fail: z.boolean().optional(),
    file: z.boolean().optional(),
  }),
  secret: ['token'],
  outputs: z.object({ text: z.string() }),
  example: {},
  async run(given, context) {
    executed.push({ given, key: context.idempotencyKey })
    if (given.fail) throw new Error(`nothing is there, with ${given.token}`)
    if (given.file) {
      const { path } = await context.files.save({ name: 'found.txt', content_type: 'text/plain', body: 'found' })
      return { text: path }
    }
    return { text: given.size ? 'é'.repeat(given.size) : `${given.query}: 42 (${given.token ?? 'no token'})` }
  },
})

let openai: FakeOpenAi
let jetty: TestServer
beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({
    activities: [look],
    env: { OPENAI_BASE_URL: openai.url, JETTY_ALLOW_PRIVATE_NETWORK: new URL(openai.url).host },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-of-tools-77a', LOOK_TOKEN: secret },
  })
})
afterEach(() => {
  openai.asked.length = 0
  openai.choose(undefined)
  executed.length = 0
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

const looking = { activity: 'look', config: { token_path: 'env.LOOK_TOKEN' } }

/** Runs a chat step with tools; `answers` are the turns of the model, then it says "Done." */
const chat = async (config: object, ...turns: ToolAsked[][]): Promise<Body> => {
  openai.say('Done.')
  openai.choose(inTurns(...turns.map((calls) => callsTools(model, ...calls))))
  return jetty.run({
    step_configs: { ask: { activity: 'litellm_chat', model, prompt: 'How much?', tools: [looking], ...config } },
    steps: ['ask'],
  })
}

const results = (): string[] => resultsIn(openai.asked.at(-1)?.body)

describe('a conversation', () => {
  it('offers the parameters that the workflow does not fix, and records turns, calls and cost', async () => {
    const run = await chat({}, [
      ['look', { query: 'a' }],
      ['look', { query: 'b' }],
    ])
    expect([run.status, run.error]).toEqual(['completed', null])
    const [first] = openai.asked
    expect(first?.body.tools).toHaveLength(1)
    const [{ function: offered }] = first?.body.tools ?? []
    expect([offered.name, offered.description]).toEqual(['look', 'Looks something up.'])
    expect(Object.keys(offered.parameters.properties)).toEqual(['query', 'limit', 'size', 'fail', 'file'])
    expect(offered.parameters.required).toEqual(['query'])
    expect(executed.map(({ given }) => given)).toEqual([
      { query: 'a', token: secret },
      { query: 'b', token: secret },
    ])
    expect(new Set(executed.map(({ key }) => key)).size).toBe(2)
    expect(results()).toEqual(['a: 42 (***)', 'b: 42 (***)'])
    const { outputs, usage } = run.steps.ask
    expect([outputs.text, outputs.turns]).toEqual(['Done.', 2])
    expect(outputs.tool_calls).toMatchObject([
      { turn: 1, name: 'look', arguments: { query: 'a' }, status: 'completed' },
      { turn: 1, name: 'look', arguments: { query: 'b' }, status: 'completed' },
    ])
    expect(outputs.messages.map(({ role }: Body) => role)).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant'])
    expect(outputs.usage.total_tokens).toBe(2200)
    expect(usage.total_tokens).toBe(2200)
    expect(outputs.cost_usd).toBeCloseTo(2 * outputs.model_calls[0].cost_usd, 9)
    expect(run.steps.ask.inputs.tools).toEqual([{ name: 'look', activity: 'look', config: { token: '***' } }])
    expect(JSON.stringify(openai.asked)).not.toContain(secret)
  })

  it('keeps the files that tools store', async () => {
    const run = await chat({}, [
      ['look', { query: 'a', file: true }],
      ['look', { query: 'b', file: true }],
    ])
    expect(run.status).toBe('completed')
    expect(new Set(results()).size).toBe(2)
    for (const path of results()) {
      expect((await jetty.call('GET', `/api/v1/file/${path}`)).status).toBe(200)
    }
  })

  it('ends with an answer that fits output_schema, which is asked for in words', async () => {
    openai.choose(inTurns(callsTools(model, ['look', { query: 'a' }])))
    openai.say((body) => (body.messages.length > 4 ? '{"total": 42}' : 'It is 42.'))
    const run = await jetty.run({
      step_configs: {
        ask: {
          activity: 'litellm_chat',
          ...{ model, prompt: 'How much?', tools: [looking] },
          output_schema: { type: 'object', properties: { total: { type: 'number' } }, required: ['total'] },
        },
        use: { activity: 'text_template', template: '{{ask.outputs.total}}' },
      },
      steps: ['ask', 'use'],
    })
    expect([run.status, run.steps.use.outputs.text]).toEqual(['completed', '42'])
    expect(run.steps.ask.outputs.turns).toBe(3)
    expect(openai.asked[0]?.body.messages[0].content).toContain('JSON Schema')
  })
})

describe('tasks as tools', () => {
  it('a call runs the task with fixed and chosen parameters, and its result goes to the model', async () => {
    const task = await jetty.task({
      init_params: { city: 'Rome', unit: 'C' },
      step_configs: { say: { activity: 'text_template', template: '{{init_params.city}} in {{init_params.unit}}' } },
      steps: ['say'],
    })
    const tools = [{ task, name: 'weather', config: { unit: 'F' } }, looking]
    const run = await chat({ tools }, [
      ['weather', { city: 'Bern' }],
      ['look', { query: 'a' }],
      ['weather', { city: 'Oslo' }],
      ['weather', { unit: 'K' }],
      ['weather', { city: 7 }],
    ])
    expect([run.status, run.error]).toEqual(['completed', null])
    const [offered] = openai.asked[0]?.body.tools ?? []
    expect(offered.function.parameters.properties).toEqual({ city: { type: 'string' } })
    expect(results().map((text) => (text.startsWith('{') ? JSON.parse(text).text : text))).toEqual([
      'Bern in F',
      'a: 42 (no token)'.replace('no token', '***'),
      'Oslo in F',
      "Error: 'unit' is fixed by the workflow and cannot be set.",
      expect.stringContaining('Error: city'),
    ])
    expect(openai.asked).toHaveLength(2)
    const [first] = run.steps.ask.outputs.tool_calls
    const child = await jetty.get(task, first.trajectory_id)
    expect([child.status, child.init_params]).toEqual(['completed', { city: 'Bern', unit: 'F' }])
  })

  it('config fixes a parameter of a task by its path, and the model can neither see nor set it', async () => {
    const task = await jetty.task({
      init_params: { city: 'Rome', unit: 'C' },
      step_configs: { say: { activity: 'text_template', template: '{{init_params.city}} in {{init_params.unit}}' } },
      steps: ['say'],
    })
    openai.say('Done.')
    openai.choose(inTurns(callsTools(model, ['weather', { city: 'Bern' }], ['weather', { unit: 'K' }, 'second'])))
    const tools = [{ task, name: 'weather', config: { unit_path: 'init_params.scale' } }]
    const ask = { activity: 'litellm_chat', model, prompt: 'How warm?', tools }
    const run = await jetty.run({ init_params: { scale: 'F' }, step_configs: { ask }, steps: ['ask'] })
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(openai.asked[0]?.body.tools[0].function.parameters.properties).toEqual({ city: { type: 'string' } })
    expect(results()).toEqual([
      expect.stringContaining('Bern in F'),
      "Error: 'unit' is fixed by the workflow and cannot be set.",
    ])
  })

  it('a run that cannot be started is told to the model, and the next one starts', async () => {
    const steps = (say: Record<string, unknown>) => jetty.task({ step_configs: { say }, steps: ['say'] })
    const keyless = await steps({ activity: 'litellm_chat', model: 'anthropic/claude-haiku-4-5', prompt: 'x' })
    const fine = await steps({ activity: 'text_echo', text: 'it ran' })
    const run = await chat({ tools: [{ task: keyless }, { task: fine }] }, [[keyless, {}]], [[fine, {}]])
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(results()[0]).toMatch(new RegExp(`^Error: Task '${keyless}' cannot run: .*ANTHROPIC`))
    expect(results()[1]).toContain('it ran')
    expect(run.steps.ask.outputs.tool_calls[0].status).toBe('refused')
  })

  it('the time of the step counts from its first start, with the runs that it waited for', async () => {
    const steps = { nap: { activity: 'sleep', seconds: 1 } }
    const task = await jetty.task({ step_configs: steps, steps: ['nap'] })
    const naps = Array.from({ length: 6 }, () => [[task, {}]] satisfies ToolAsked[])
    const run = await chat({ tools: [{ task }], timeout_sec: 2 }, ...naps)
    expect(run.status).toBe('failed')
    expect(run.error).toContain('timed out after 2 s')
    expect(openai.asked.length).toBeLessThan(4)
  })

  it('a run that fails is told to the model', async () => {
    const task = await jetty.task({
      init_params: {},
      step_configs: { say: { activity: 'look', query: 'x', fail: true } },
      steps: ['say'],
    })
    const run = await chat({ tools: [{ task }] }, [[task, {}]])
    expect(run.status).toBe('completed')
    expect(results()[0]).toContain('Error: the run is failed')
  })
})

describe('calls that are not carried out', () => {
  it.each([
    ['a tool that the step does not name', ['http_request', { url: 'https://example.com' }], 'there is no tool'],
    ['a fixed parameter', ['look', { query: 'a', token: 'mine' }], "'token' is fixed by the workflow"],
    ['an unknown parameter', ['look', { query: 'a', other: 1 }], "there is no parameter 'other'"],
    ['a missing parameter', ['look', {}], 'query is required'],
    ['a wrong type', ['look', { query: 'a', limit: 'many' }], 'limit'],
    ['arguments that are no JSON', ['look', '{"query": '], 'not a JSON object'],
    ['giant arguments', ['look', { query: 'x'.repeat(400_000) }], 'at most 262144'],
    ['a name that is no name', ['../../etc', {}], 'there is no tool'],
  ] satisfies [string, ToolAsked, string][])('%s: the model is told', async (_, call, told) => {
    const run = await chat({}, [call])
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(executed).toEqual([])
    expect(results()).toHaveLength(1)
    expect(results()[0]).toContain(told)
    expect(run.steps.ask.outputs.tool_calls[0].status).toBe('refused')
    const [sent] = openai.asked.at(-1)?.body.messages[1].tool_calls ?? []
    expect(() => JSON.parse(sent.function.arguments)).not.toThrow()
  })

  it('a tool that fails is told to the model, without secrets', async () => {
    const run = await chat({}, [['look', { query: 'a', fail: true }]])
    expect(run.status).toBe('completed')
    expect(results()).toEqual(['Error: nothing is there, with ***'])
    expect(run.steps.ask.outputs.tool_calls[0].status).toBe('failed')
  })
})

describe('bounds', () => {
  const forEver = () => callsTools(model, ['look', { query: 'again' }])

  it('a model that calls tools for ever is ended, and keeps the conversation', async () => {
    openai.choose(forEver)
    const run = await jetty.run({
      step_configs: { ask: { activity: 'litellm_chat', model, prompt: 'x', tools: [looking], max_turns: 3 } },
      steps: ['ask'],
    })
    expect(run.status).toBe('failed')
    expect(run.error).toContain('after 3 turns')
    expect(openai.asked).toHaveLength(3)
    expect(executed).toHaveLength(2) // the last call would have been for nobody
    expect(openai.asked[2]?.body.messages.at(-1).content).toContain('No more tools')
    expect(run.steps.ask.outputs.turns).toBe(3)
    expect(run.steps.ask.error_detail.code).toBe('budget_exceeded')
  })

  it('a thousand calls of one turn are bounded, and the model is told', async () => {
    const run = await chat(
      { max_tool_calls: 5 },
      Array.from({ length: 1000 }, (): ToolAsked => ['look', { query: 'a' }]),
    )
    expect(run.status).toBe('completed')
    expect(executed).toHaveLength(5)
    expect(results()).toHaveLength(64)
    expect(results()[5]).toContain('limit of 5 tool calls')
    expect(JSON.stringify(run.steps.ask.logs)).toContain('936 more tool calls')
  })

  it.each([
    ['max_cost_usd', { max_cost_usd: 0.0003 }],
    ['max_total_tokens', { max_total_tokens: 2000 }],
  ])('%s ends it', async (name, bound) => {
    openai.choose(forEver)
    const run = await jetty.run({
      step_configs: { ask: { activity: 'litellm_chat', model, prompt: 'x', tools: [looking], ...bound } },
      steps: ['ask'],
    })
    expect(run.status).toBe('failed')
    expect(run.steps.ask.error_detail.hint).toContain(name)
    expect(openai.asked).toHaveLength(2)
  })

  it('max_cost_usd refuses a tool that calls a model without a price', async () => {
    const tool = { name: 'second', activity: 'litellm_chat', config: { model: 'openai/of-no-known-price' } }
    const run = await chat({ tools: [tool], max_cost_usd: 1 }, [['second', { prompt: 'x' }]])
    expect(run.status).toBe('failed')
    expect(run.error).toContain("The price of the model of tool 'second' is not known")
  })

  it('a huge result is cut, and says so', async () => {
    const run = await chat({}, [['look', { query: 'a', size: 50_000_000 }]])
    expect(run.status).toBe('completed')
    expect(results()[0]?.length).toBeLessThan(66_000)
    expect(results()[0]).toContain('50,000,000 characters')
  })
})

describe('what a workflow says about tools', () => {
  const check = async (tools: unknown, more: object = {}) => {
    const workflow = {
      step_configs: { ask: { activity: 'litellm_chat', prompt: 'x', tools, ...more } },
      steps: ['ask'],
    }
    const { body } = await jetty.call('POST', '/api/v1/tasks/acme/validate', { name: 'checked', workflow })
    return JSON.stringify(body)
  }
  it.each([
    ['an unknown activity', [{ activity: 'http_reqest' }], "did you mean 'http_request'"],
    ['an activity that waits', [{ activity: 'sleep' }], 'cannot be a tool'],
    ['a wrong fixed parameter', [{ activity: 'http_request', config: { method: 7 } }], 'method'],
    ['an unknown fixed parameter', [{ activity: 'look', config: { tokn: 'x' } }], "unknown parameter 'tokn'"],
    ['two of one name', [looking, looking], "another tool is called 'look'"],
    ['tools of a tool', [{ activity: 'litellm_chat', config: { tools: [looking] } }], 'cannot call tools of its own'],
    ['neither', [{}], 'either activity or task'],
    ['a path that leads nowhere', [{ activity: 'look', config: { token_path: 'gone.outputs.x' } }], "no step 'gone'"],
    ['a bad name', [{ activity: 'look', name: 'a b' }], 'expected a letter'],
    ['a task that is not there', [{ task: 'gone' }], "no task 'gone'"],
    ['a parameter that cannot be set', [{ activity: 'look', parameters: ['token'] }], "names 'token'"],
  ])('%s is a finding', async (_, tools, found) => {
    expect(await check(tools)).toContain(found)
  })
  it('tools from a path are refused', async () => {
    expect(await check(undefined, { tools_path: 'init_params.tools' })).toContain('written in the workflow')
  })
})
