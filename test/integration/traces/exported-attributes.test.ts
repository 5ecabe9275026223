// What each kind of exported span says, by the GenAI conventions, and that the page on export names every attribute.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type CollectedSpan, type OtlpCollector, startCollector } from '../../fakes/otlp-collector.ts'
import { makeFakeRunbooks } from '../../fakes/runbooks.ts'
import { callsTools, inTurns } from '../../fakes/tool-turns.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const model = 'gpt-4o-mini'
const [question, answer, found, instruction] = [
  'a-question-4e1',
  'an-answer-8c2',
  'a-result-of-a-tool-1d7',
  'work-of-an-agent-9b3',
]

const workflow = {
  step_configs: {
    ask: { activity: 'litellm_chat', model, prompt: question, temperature: 0.5, max_tokens: 64 },
    look: {
      ...{ activity: 'litellm_chat', model, prompt: question },
      tools: [{ activity: 'text_echo', name: 'look', description: 'Looks something up.' }],
    },
    agent: { activity: 'runbook', agent: 'scripted', instruction },
    say: { activity: 'text_echo', text: found },
    fail: { activity: 'http_request', url: 'http://10.0.0.1/' },
  },
  steps: ['ask', 'look', 'agent', 'say', 'fail'],
}

interface World {
  collector: OtlpCollector
  jetty: TestServer
  spans: CollectedSpan[]
  close(): Promise<void>
}

let openai: FakeOpenAi
let plain: World
let open: World

/** A server with a collector that has every span of a run of every kind of step, and of a call of the gateway. */
const openWorld = async (env: Record<string, string> = {}): Promise<World> => {
  const collector = await startCollector()
  const runbooks = makeFakeRunbooks()
  runbooks.work = async () => ({ agent: 'claude-code', model: 'claude-sonnet-4-6', model_provider: 'anthropic' })
  const jetty = await startTestServer({
    ...{ beatMs: 50, runbooks },
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OPENAI_BASE_URL: openai.url,
      JETTY_ALLOW_PRIVATE_NETWORK: new URL(openai.url).host,
      ...env,
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-of-attributes-31f' },
  })
  await jetty.run(workflow)
  const messages = [{ role: 'user', content: question }]
  await jetty.call('POST', '/v1/chat/completions', { model, messages, jetty: { runbook: false, collection: 'acme' } })
  const wanted = 1 + 5 + 3 + 2
  for (const begun = performance.now(); collector.spans.length < wanted; await pause(20)) {
    if (performance.now() - begun > 60_000) throw new Error(`${collector.spans.length} spans instead of ${wanted}`)
  }
  const close = async () => {
    await jetty.close()
    collector.close()
  }
  return { collector, jetty, spans: collector.spans, close }
}

beforeAll(async () => {
  openai = await startFakeOpenAi()
  openai.say(answer)
  openai.choose((body) => {
    const turns = inTurns(callsTools(model, ['look', { text: found }, 'call-7']))
    return body?.tools ? turns(body) : undefined
  })
  plain = await openWorld()
  open = await openWorld({ OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' })
})
afterAll(async () => {
  await plain?.close()
  await open?.close()
  await openai?.close()
})

const stepOf = ({ spans }: World, step: string): CollectedSpan => {
  const span = spans.find(({ attributes }) => attributes['jetty.step'] === step)
  if (!span) throw new Error(`no span of step ${step}`)
  return span
}
const named = ({ spans }: World, name: RegExp) => spans.filter((span) => name.test(span.name))

const usage = { 'gen_ai.usage.input_tokens': expect.any(Number), 'gen_ai.usage.output_tokens': expect.any(Number) }
const chat = {
  ...{ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': expect.stringMatching(/^openai$/i) },
  ...{ 'gen_ai.request.model': model, 'gen_ai.response.model': model, ...usage },
  'gen_ai.usage.cost': expect.any(Number),
}
const internal = 1
const server = 2
const client = 3

describe('the span of', () => {
  test('a run is a workflow', () => {
    expect(named(plain, /^invoke_workflow/)).toEqual([
      expect.objectContaining({
        kind: internal,
        parentId: undefined,
        attributes: expect.objectContaining({
          'gen_ai.operation.name': 'invoke_workflow',
          'gen_ai.workflow.name': expect.stringMatching(/^acme\//),
          'jetty.status': 'failed',
          'error.type': 'run_failed',
        }),
      }),
    ])
  })

  test('a model call has what was asked, and what was answered', () => {
    expect(stepOf(plain, 'ask')).toMatchObject({
      ...{ name: `chat ${model}`, kind: client },
      attributes: {
        ...{ ...chat, 'gen_ai.response.finish_reasons': ['stop'] },
        ...{ 'gen_ai.request.temperature': 0.5, 'gen_ai.request.max_tokens': 64 },
        ...{ 'jetty.activity': 'litellm_chat', 'jetty.step.status': 'completed', 'jetty.step.attempts': 1 },
      },
    })
  })

  test('a step with tools is an agent, with each turn and each tool call below it, and tokens once', () => {
    const agent = stepOf(plain, 'look')
    expect(agent).toMatchObject({ kind: internal, attributes: { 'gen_ai.operation.name': 'invoke_agent' } })
    expect(agent.attributes['gen_ai.usage.input_tokens']).toBeUndefined()
    const below = plain.spans.filter(({ parentId }) => parentId === agent.spanId)
    expect(below.map(({ name }) => name).sort()).toEqual([`chat ${model}`, `chat ${model}`, 'execute_tool look'])
    for (const turn of below.filter(({ name }) => name.startsWith('chat'))) {
      expect(turn).toMatchObject({ kind: client, attributes: { ...chat } })
    }
    expect(below.find(({ name }) => name.startsWith('execute_tool'))).toMatchObject({
      kind: internal,
      attributes: {
        ...{ 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'look', 'gen_ai.tool.call.id': 'call-7' },
        'gen_ai.tool.type': 'function',
      },
    })
  })

  test('a runbook is an agent with its name, its model and its tokens', () => {
    expect(stepOf(plain, 'agent')).toMatchObject({
      ...{ name: 'invoke_agent claude-code', kind: internal },
      attributes: {
        ...{ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'claude-code' },
        ...{ 'gen_ai.provider.name': 'anthropic', 'gen_ai.response.model': 'claude-sonnet-4-6' },
        ...{ 'gen_ai.usage.input_tokens': 100, 'gen_ai.usage.output_tokens': 20 },
      },
    })
  })

  test('a gateway call is that of a server, with the call of the model below it', () => {
    const [run, ...more] = plain.spans.filter(({ kind }) => kind === server)
    expect(more).toEqual([])
    expect(plain.spans.filter(({ parentId }) => parentId === run?.spanId)).toEqual([
      expect.objectContaining({ name: `chat ${model}`, kind: client, attributes: expect.objectContaining(chat) }),
    ])
  })

  test('a step that fails has its error code', () => {
    expect(stepOf(plain, 'fail')).toMatchObject({
      status: { code: 2 },
      attributes: { 'error.type': 'address_refused', 'jetty.step.status': 'failed' },
    })
  })
})

test('a step whose result is reused says so, and its tokens do not count again', async () => {
  const run = await plain.jetty.run(workflow)
  const [, task] = run.name.split('/')
  const path = `/api/v1/trajectory/acme/${task}/${run.trajectory_id}/rerun`
  const { body } = await plain.jetty.call('POST', path, { mode: 'replay' })
  const spanOf = () =>
    plain.collector.spans.find(({ attributes }) => attributes['jetty.trajectory_id'] === body.trajectory_id)
  const stepsOf = (parentId?: string) => plain.collector.spans.filter((span) => span.parentId === parentId)
  for (const begun = performance.now(); stepsOf(spanOf()?.spanId ?? 'none').length < 5; await pause(20)) {
    if (performance.now() - begun > 60_000) throw new Error(`never: the steps of ${JSON.stringify(body)}`)
  }
  const reused = stepsOf(spanOf()?.spanId).filter(({ attributes }) => attributes['jetty.step.reused'] === true)
  expect(reused.map(({ attributes }) => attributes['jetty.step'])).toEqual(expect.arrayContaining(['ask', 'agent']))
  for (const { name, attributes } of reused) {
    const counted = Object.keys(attributes).filter((attribute) => attribute.startsWith('gen_ai.usage.'))
    expect([name, counted]).toEqual([name, []])
  }
})

describe('contents', () => {
  const contents = [question, answer, found, instruction]

  test('are in no span by default', () => {
    const sent = JSON.stringify(plain.spans)
    expect(contents.filter((content) => sent.includes(content))).toEqual([])
  })

  test('are in the attributes of the conventions where they are asked for', () => {
    const said = (span: CollectedSpan | undefined, name: string) => String(span?.attributes[name])
    expect(said(stepOf(open, 'ask'), 'gen_ai.input.messages')).toContain(question)
    expect(said(stepOf(open, 'ask'), 'gen_ai.output.messages')).toContain(answer)
    expect(said(named(open, /^execute_tool/)[0], 'gen_ai.tool.call.result')).toContain(found)
    expect(said(stepOf(open, 'say'), 'jetty.step.outputs')).toContain(found)
    const [call] = open.spans.filter(({ kind }) => kind === server)
    const below = open.spans.find(({ parentId }) => parentId === call?.spanId)
    expect(said(below, 'gen_ai.input.messages')).toContain(question)
    expect(said(below, 'gen_ai.output.messages')).toContain(answer)
  })
})

test('the page on export has a row for every attribute, and no other rows', () => {
  const page = readFileSync(new URL('../../../docs/otlp-export.md', import.meta.url), 'utf8')
  const table = page.slice(page.indexOf('## Where each attribute comes from'), page.indexOf('## Join the trace'))
  const documented = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => name),
  )
  const sent = new Set([...plain.spans, ...open.spans].flatMap(({ attributes }) => Object.keys(attributes)))
  expect([...sent].filter((name) => !documented.includes(name)).sort()).toEqual([])
  const source = ['run-spans', 'genai-attributes'].map((file) =>
    readFileSync(new URL(`../../../src/traces/${file}.ts`, import.meta.url), 'utf8'),
  )
  expect(documented.filter((name) => !source.join().includes(`'${name}'`))).toEqual([])
})
