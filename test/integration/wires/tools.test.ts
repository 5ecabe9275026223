// A conversation with tools over each wire that is converted: what the provider is sent in its own language.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { litellmChat } from '../../../src/activities/chat/chat-activities.ts'
import { makeTestContext, runActivity } from '../../activity-context.ts'
import type { FakeProvider } from '../../fakes/wire-server.ts'
import { makeTestTools } from '../../step-tools.ts'
import { callerOf, foreign, worldOf } from '../gateway/foreign-wires.ts'

const look = {
  name: 'look',
  description: 'Looks something up.',
  parameters: { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] },
}

describe.each(foreign)('$name', ({ model, env, start }) => {
  let fake: FakeProvider
  beforeAll(async () => {
    fake = await start()
  })
  afterAll(() => fake.close())

  it('two calls in one turn, an unusable one in the next, then the answer', async () => {
    const { models } = worldOf(fake)
    const tools = makeTestTools([look], ({ arguments: text }) => `found for ${text}`)
    const context = makeTestContext({
      tools,
      models: (request, options) => models.call(request, callerOf(env), options),
    })
    fake.say(() => {
      const turn = fake.asked.length
      if (turn === 1)
        return { tools: ['a', 'b'].map((query) => ({ id: `id-${query}`, name: 'look', input: { query } })) }
      return turn === 2 ? { tools: [{ id: 'id-c', name: 'gone', input: {} }] } : { text: 'Both found.' }
    })
    const given = { model, prompt: 'Look up a and b.', tools: [{ activity: 'look' }], max_turns: 3 }
    const outputs = (await runActivity(litellmChat, given, context)) as Record<string, unknown>
    expect([outputs.text, outputs.turns]).toEqual(['Both found.', 3])
    expect((outputs.messages as { role: string }[]).map(({ role }) => role)).toEqual([
      ...['user', 'assistant', 'tool', 'tool', 'assistant', 'tool', 'user', 'assistant'],
    ])
    const sent = fake.asked.map(({ body }) => JSON.stringify(body))
    expect(sent).toHaveLength(3)
    expect(sent[0]).toContain('Looks something up.')
    for (const text of ['found for', '\\"query\\":\\"a\\"', '\\"query\\":\\"b\\"']) expect(sent[1]).toContain(text)
    expect(sent[2]).toContain('gone')
    // Usage of all turns together.
    expect((outputs.usage as { total_tokens: number }).total_tokens).toBeGreaterThan(0)
  })
})
