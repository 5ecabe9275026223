import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const folder = new URL('../../../examples/', import.meta.url)

export const example = (name: string): Body => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))

export interface ExampleSite {
  openai: FakeOpenAi
  jetty: TestServer
  close(): Promise<void>
}

/** A server with the tasks that the examples start for each item, and a model with a known price. */
export const openExamples = async (): Promise<ExampleSite> => {
  const openai = await startFakeOpenAi()
  const jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url, JETTY_TRANSFORM_SECONDS: '120' } })
  const secret = 'sk-guide-workflows-unmistakable-77ab'
  jetty.leaks.remember('the key', secret)
  const environment_variables = { OPENAI_API_KEY: secret }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  for (const name of ['read-invoice', 'classify-ticket']) {
    await jetty.call('POST', '/api/v1/tasks/acme', { name, workflow: example(name) })
  }
  const close = async () => {
    await jetty.close()
    await openai.close()
  }
  return { openai, jetty, close }
}

export const lines = (values: readonly object[]): string => values.map((one) => JSON.stringify(one)).join('\n')

export const storedText = async ({ jetty }: ExampleSite, path: string): Promise<string> => {
  const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
  return (await fetch(`${jetty.url}/api/v1/file/${path}`, { headers })).text()
}

/** What one answer of the fake costs at gpt-4o-mini. */
const oneCall = 0.00021
/** Calls under way may exceed the budget: `max_concurrency` of the example. */
const callsAtATime = 50

/**
 * Classifies tickets with a budget that pays for half of them, and those that are left in a second run. Each ticket is
 * asked about once. `total` is more than twice the calls under way.
 */
export const classifyInTwoRuns = async (site: ExampleSite, total: number): Promise<void> => {
  const { openai, jetty } = site
  const topics = ['delivery', 'billing', 'account']
  const tickets = Array.from({ length: total }, (_, at) => ({
    id: `t-${at}`,
    text: `About ${topics[at % 3]}, number ${at}`,
  }))
  openai.asked.length = 0
  openai.say(({ messages }: Body) => {
    const [, topic] = /About (\w+)/.exec(messages.at(-1).content) ?? []
    return JSON.stringify({ topic, urgency: topic === 'billing' ? 3 : 1 })
  })
  const limit = (usd: number) =>
    jetty.call('PATCH', '/api/v1/collections/acme/settings', { budget: { usd_per_day: usd } })
  const workflow = example('classify-tickets')

  await limit((total / 2) * oneCall)
  const first = await jetty.run(workflow, {}, { 'tickets.jsonl': lines(tickets) })
  const asked = openai.asked.length
  expect([first.status, first.error]).toEqual(['completed', null])
  expect(asked).toBeLessThanOrEqual(total / 2 + callsAtATime)
  expect(first.steps.each.outputs).toMatchObject({ total, completed: asked, failed: total - asked })
  const { path } = first.steps.again.outputs.file
  expect(first.steps.report.outputs.text).toBe(
    `${asked} of ${total} tickets are classified. ${total - asked} are left: run them again from ${path}.`,
  )

  await limit(10)
  const second = await jetty.run(workflow, {}, { 'left.jsonl': await storedText(site, path) })
  expect(second.steps.each.outputs).toMatchObject({ total: total - asked, failed: 0 })
  expect(openai.asked).toHaveLength(total)
  expect(new Set(openai.asked.map(({ text }) => text)).size).toBe(total)
  const counted = [first, second].flatMap((run) => run.steps.counts.outputs.result as Body[])
  const count = (topic: string, of: string) =>
    counted.filter((one) => one.topic === topic).reduce((sum, one) => sum + one[of], 0)
  const expected = topics.map((_, at) => Math.ceil((total - at) / topics.length))
  expect(topics.map((topic) => count(topic, 'tickets'))).toEqual(expected)
  expect(count('billing', 'urgent')).toBe(expected[1])
}
