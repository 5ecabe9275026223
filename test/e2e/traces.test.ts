import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestServer } from '../server.ts'
import { expectSound, takeShots, type Visitor } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

let server: TestServer
let visitor: Visitor
let key: string

beforeAll(async () => {
  server = await startServerWithPages()
  key = (await server.call('POST', '/api/v1/api-keys', { name: 'exporter', collection_name: 'acme' })).body.api_key
  visitor = await newAdmin(server)
})

afterAll(async () => {
  await visitor?.close()
  await server?.close()
})

interface SentSpan {
  id: number
  parent?: number
  name: string
  /** Milliseconds after the beginning of the trace. */
  from: number
  to: number
  attributes?: Record<string, string | number>
  error?: string
  events?: { name: string; at: number; attributes: Record<string, string> }[]
}

const begun = Date.parse('2026-01-05T10:00:00Z')
const nanos = (ms: number) => `${begun + ms}000000`
const spanId = (id: number) => id.toString(16).padStart(16, '0')
const attributesOf = (given: Record<string, string | number>) =>
  Object.entries(given).map(([name, value]) => ({
    key: name,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
  }))

/** Exports a trace, and returns its id. */
const send = async (service: string, spans: readonly SentSpan[]): Promise<string> => {
  const traceId = randomBytes(16).toString('hex')
  const sent = spans.map(({ id, parent, name, from, to, attributes = {}, error, events = [] }) => ({
    traceId,
    spanId: spanId(id),
    ...(parent === undefined ? {} : { parentSpanId: spanId(parent) }),
    name,
    startTimeUnixNano: nanos(from),
    endTimeUnixNano: nanos(to),
    attributes: attributesOf(attributes),
    events: events.map(({ at, ...event }) => ({
      name: event.name,
      timeUnixNano: nanos(at),
      attributes: attributesOf(event.attributes),
    })),
    ...(error === undefined ? {} : { status: { code: 2, message: error } }),
  }))
  const resource = { attributes: attributesOf({ 'service.name': service }) }
  const response = await fetch(`${server.url}/v1/traces`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'my-library' }, spans: sent }] }],
    }),
  })
  expect(await response.json()).toEqual({})
  return traceId
}

const chat = (question: string, answer: string) => ({
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4o-mini',
  'gen_ai.usage.input_tokens': 1200,
  'gen_ai.usage.output_tokens': 45,
  'gen_ai.usage.cost': 0,
  'gen_ai.input.messages': JSON.stringify([
    { role: 'system', parts: [{ type: 'text', content: 'You are kind.' }] },
    { role: 'user', parts: [{ type: 'text', content: question }] },
  ]),
  'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts: [{ type: 'text', content: answer }] }]),
})

const hostileText = '<img src=x onerror="globalThis.hacked = 1"> \u001b[31mred\u001b[0m \u202Eevil'

const support: SentSpan[] = [
  { id: 1, name: 'answer a customer', from: 0, to: 2400 },
  { id: 2, parent: 1, name: 'plan', from: 20, to: 900, attributes: { 'gen_ai.operation.name': 'invoke_agent' } },
  { id: 3, parent: 2, name: 'chat gpt-4o-mini', from: 40, to: 880, attributes: chat('Where is it?', 'On its way.') },
  {
    ...{ id: 4, parent: 1, name: 'look up', from: 920, to: 1400, error: 'no such order' },
    attributes: { 'gen_ai.tool.name': 'orders', note: hostileText },
    events: [{ name: 'exception', at: 1300, attributes: { 'exception.message': hostileText } }],
  },
  { id: 5, parent: 1, name: 'chat gpt-4o-mini', from: 1450, to: 2380, attributes: chat('And now?', 'Tomorrow.') },
]

const row = (name: string | RegExp) => visitor.page.getByRole('treegrid').getByRole('row', { name })
const shownRows = () => visitor.page.getByRole('treegrid').getByRole('row').count()

describe('the trace of a program', () => {
  it('is a tree that folds and unfolds, by mouse and by key', async () => {
    const { page } = visitor
    const id = await send('support-bot', support)
    await page.goto(`/acme/support-bot/${id}`)
    await row(/answer a customer/).waitFor()
    expect(await shownRows()).toBe(5)
    const levels = await page
      .getByRole('treegrid')
      .getByRole('row')
      .evaluateAll((rows) => rows.map((one) => one.getAttribute('aria-level')))
    expect(levels).toEqual(['1', '2', '3', '2', '2'])
    expect(await row(/plan/).textContent()).toMatch(/agent.*1\.2k/)

    await row(/plan/).click()
    await page.keyboard.press('ArrowLeft')
    await expect.poll(shownRows).toBe(4)
    await row(/plan \+1/).waitFor()
    await page.keyboard.press('ArrowRight')
    await expect.poll(shownRows).toBe(5)
    await page.keyboard.press('ArrowRight')
    await page.getByRole('heading', { name: 'chat gpt-4o-mini' }).waitFor()
    await page.keyboard.press('ArrowLeft')
    await page.getByRole('heading', { name: 'plan' }).waitFor()
    await page.keyboard.press('e')
    await page.getByRole('heading', { name: 'look up' }).waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('tab', { name: 'Error', selected: true }).and(page.locator(':focus')).waitFor()
    await takeShots(visitor, 'trace')
    await expectSound(visitor, 'a trace')
  })

  it('shows what was sent of a span, and runs none of it', async () => {
    const { page } = visitor
    const id = await send('support-bot', support)
    await page.goto(`/acme/support-bot/${id}?step=look+up&panel=span`)
    await page.getByRole('heading', { name: 'Events' }).waitFor()
    await page.getByText('exception', { exact: true }).waitFor()
    await page.getByText('+380 ms').waitFor()
    await page.getByText('onerror').first().waitFor()
    expect(await page.locator('img[src=x]').count()).toBe(0)
    await takeShots(visitor, 'trace-attributes')
    await expectSound(visitor, 'the attributes of a span')
  })

  it('offers for a model call what a call of the gateway has', async () => {
    const { page } = visitor
    const id = await send('support-bot', support)
    await server.call('POST', '/api/v1/datasets/acme', { name: 'calls' })
    await page.goto(`/acme/support-bot/${id}?step=chat+gpt-4o-mini`)
    await page.getByText('On its way.').first().waitFor()
    await takeShots(visitor, 'trace-call')

    await page.getByRole('button', { name: 'Dataset' }).click()
    await page.getByText("--step 'chat gpt-4o-mini' --output-path outputs.text").waitFor()
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByText(/^Added run-/).waitFor()
    const { body } = await server.call('GET', '/api/v1/datasets/acme/calls/items')
    expect(body.items).toMatchObject([
      {
        data: { messages: [{ role: 'system' }, { content: 'Where is it?' }], expected: 'On its way.' },
        source: { trajectory_id: id, step: 'chat gpt-4o-mini' },
      },
    ])

    await page.getByRole('link', { name: 'Playground' }).click()
    await expect.poll(() => page.getByLabel('System').inputValue()).toBe('You are kind.')
    await page.getByText('Where is it?').waitFor()
  })

  it('that makes no sense as a tree is drawn all the same', async () => {
    const { page } = visitor
    const id = await send('odd', [
      { id: 1, parent: 2, name: 'hen', from: 100, to: 200 },
      { id: 2, parent: 1, name: 'egg', from: 50, to: 40 },
      { id: 3, parent: 99, name: 'orphan', from: -60_000, to: 10 },
      { id: 4, parent: 4, name: 'own parent', from: 7_200_000, to: 7_200_100 },
    ])
    await page.goto(`/acme/odd/${id}`)
    for (const name of ['hen', 'egg', 'orphan', 'own parent']) await row(new RegExp(name)).waitFor()
    await expectSound(visitor, 'a trace with cycles')
  })
})

it('tells an empty collection how to send traces', async () => {
  const { page } = visitor
  await server.call('POST', '/api/v1/collections', { name: 'nothing-yet' })
  await page.goto('/nothing-yet/-/runs')
  await page.getByText(`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=${server.url}/v1/traces`).waitFor()
  await page.getByText('X-Jetty-Collection=nothing-yet').waitFor()
  await page.getByRole('button', { name: 'Copy the variables' }).click()
  await page.getByText('Copied').first().waitFor()
  await takeShots(visitor, 'trace-setup')
  await expectSound(visitor, 'an empty collection')
})
