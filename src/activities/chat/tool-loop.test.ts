import { expect, it } from 'vitest'
import { makeTestContext, modelAnswer, runActivity } from '../../../test/activity-context.ts'
import { makeTestTools } from '../../../test/step-tools.ts'
import type { ChatRequest } from '../../model/gateway/chat.ts'
import { geminiPrompt, litellmVision } from './chat-activities.ts'

const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
const look = { name: 'look', description: 'Looks something up.', parameters: { type: 'object', properties: {} } }
const toolCall = { id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } }

/** A context whose model calls the tool once and then answers, and the requests that it got. */
const world = (answer: string) => {
  const asked: { request: ChatRequest; options: unknown }[] = []
  const context = makeTestContext({
    files: { 'acme/a.png': { content_type: 'image/png', body: png } },
    tools: makeTestTools([look], () => 'it is 42'),
    models(request, options) {
      asked.push({ request, options })
      if (asked.length > 1) return modelAnswer(answer)
      const message = { role: 'assistant', content: null, tool_calls: [toolCall] }
      const choices = [{ index: 0, message, finish_reason: 'tool_calls' }]
      return modelAnswer('', { completion: { id: 'one', model: 'test-model', choices } } as never)
    },
  })
  return { asked, context }
}

it('litellm_vision sends its images in every turn, and records where they are instead', async () => {
  const { asked, context } = world('Done.')
  const given = { prompt: 'What is it?', image_path: 'acme/a.png', tools: [{ activity: 'look' }] }
  const outputs = (await runActivity(litellmVision, given, context)) as Record<string, unknown>
  expect([outputs.text, outputs.turns]).toEqual(['Done.', 2])
  const data = `data:image/png;base64,${png.toString('base64')}`
  for (const { request } of asked) expect(JSON.stringify(request.messages[0])).toContain(data)
  expect(asked[1]?.request.messages.at(-1)).toMatchObject({ role: 'tool', content: 'it is 42' })
  expect(JSON.stringify(outputs)).not.toContain('base64')
  expect(outputs.messages).toMatchObject([
    { role: 'user', content: [{ text: 'What is it?' }, { image_url: { url: 'acme/a.png' } }] },
    ...[{ role: 'assistant' }, { role: 'tool' }, { role: 'assistant', content: 'Done.' }],
  ])
})

it('gemini_prompt asks Gemini in every turn', async () => {
  const { asked, context } = world('"Done."')
  const given = { prompt: 'How much?', tools: [{ activity: 'look' }], output_schema: { type: 'string' } }
  const outputs = (await runActivity(geminiPrompt, given, context)) as Record<string, unknown>
  expect(asked.map(({ options }) => options)).toEqual(asked.map(() => ({ provider: 'gemini' })))
  expect(asked[0]?.request.tools).toHaveLength(1)
  expect(asked[0]?.request.messages[0]?.content).toContain('JSON Schema')
  expect([outputs.json, outputs.turns]).toEqual(['Done.', 2])
})
