import { describe, expect, it } from 'vitest'
import type { AnswerFormat } from './format.ts'
import { converseFormat, formatOf, geminiFormat, invokeFormat, mediaFormat, predictionFormat } from './formats.ts'

const read = (format: AnswerFormat, ...events: (object | string)[]) => {
  const reader = format.makeReader()
  const meanings = events.map((event) => reader.take(typeof event === 'string' ? event : JSON.stringify(event)))
  return {
    isLast: meanings.some(({ isLast }) => isLast),
    isFinished: reader.isFinished,
    failure: meanings.find(({ failure }) => failure)?.failure,
  }
}
const choice = (index: number, finish_reason: string | null = null, more: object = {}) => ({
  choices: [{ index, delta: { content: 'x' }, finish_reason, ...more }],
})
const usage = { choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }

describe('a chat without its last event', () => {
  it.each<[string, boolean, object[]]>([
    ['nothing has come', false, []],
    ['no choice has finished', false, [choice(0), usage]],
    ['its choice has finished', true, [choice(0), choice(0, 'stop')]],
    ['its usage comes behind', true, [choice(0, 'stop'), usage]],
    ['a filter speaks behind the end', true, [choice(0, 'stop'), choice(0, null, { content_filter_results: {} })]],
    ['one of two choices has finished', false, [choice(0), choice(1), choice(0, 'stop')]],
    ['the second of two has finished', false, [choice(0), choice(1), choice(1, 'stop')]],
    ['both have finished', true, [choice(0), choice(1), choice(1, 'stop'), choice(0, 'stop')]],
  ])('is complete, or not, where %s: %s', (_, isFinished, events) => {
    expect(read(formatOf.chat, ...events)).toMatchObject({ isFinished, isLast: false })
  })

  it('does not take the number of a tool call for that of a choice', () => {
    const calls = (index: number) => ({
      choices: [{ index: 0, delta: { tool_calls: [{ index }] }, finish_reason: null }],
    })
    expect(read(formatOf.chat, calls(0), calls(1), choice(0, 'tool_calls')).isFinished).toBe(true)
  })
})

describe('an answer ends', () => {
  const stopped = { type: 'message_delta', delta: { stop_reason: 'end_turn' } }
  it.each<[string, AnswerFormat, object | string, 'isLast' | 'isFinished']>([
    ['a chat', formatOf.chat, '[DONE]', 'isLast'],
    ['messages', formatOf.messages, { type: 'message_stop' }, 'isLast'],
    ['messages without their last event', formatOf.messages, stopped, 'isFinished'],
    ['a response', formatOf.responses, { type: 'response.completed', response: {} }, 'isLast'],
    ['images', formatOf.images, { type: 'image_generation.completed', b64_json: 'AA==' }, 'isFinished'],
    ['edited images', formatOf.images, { type: 'image_edit.completed', b64_json: 'AA==' }, 'isFinished'],
    ['Gemini', geminiFormat, { candidates: [{ finishReason: 'STOP' }] }, 'isFinished'],
    ['Gemini that was blocked', geminiFormat, { promptFeedback: { blockReason: 'SAFETY' } }, 'isFinished'],
    ['converse', converseFormat, { messageStop: { stopReason: 'end_turn' } }, 'isFinished'],
  ])('of %s', (_, format, event, how) => {
    expect(read(format, event)[how]).toBe(true)
    expect(read(format, { choices: [], words: 'nothing of that' }).isFinished).toBe(false)
  })

  it.each<[string, AnswerFormat, object]>([
    ['a chat', formatOf.chat, { error: { code: 502, message: 'overloaded' } }],
    ['images', formatOf.images, { error: { code: 502, message: 'overloaded' } }],
    ['messages', formatOf.messages, { type: 'error', error: { type: 'overloaded_error', message: 'overloaded' } }],
    ['a response', formatOf.responses, { type: 'response.failed', response: { error: { message: 'overloaded' } } }],
    ['Gemini', geminiFormat, { error: { code: 503, message: 'overloaded' } }],
    ['converse', converseFormat, { type: 'error', error: { type: 'throttling', message: 'overloaded' } }],
  ])('with a failure of %s', (_, format, event) => {
    expect(read(format, event)).toMatchObject({ failure: { message: 'overloaded' } })
  })
})

describe('tokens', () => {
  const counted = { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 }
  it.each<[string, AnswerFormat, object]>([
    ['chat', formatOf.chat, { usage: { prompt_tokens: 1.5, completion_tokens: 2.6 } }],
    ['responses', formatOf.responses, { response: { usage: { input_tokens: 1.5, output_tokens: 2.6 } } }],
    ['messages', formatOf.messages, { message: { usage: { input_tokens: 1.5, output_tokens: 2.6 } } }],
    ['Gemini', geminiFormat, { usageMetadata: { promptTokenCount: 1.5, candidatesTokenCount: 2.6 } }],
    ['converse', converseFormat, { metadata: { usage: { inputTokens: 1.5, outputTokens: 2.6 } } }],
  ])('are whole numbers in every API: %s', (_, format, event) => {
    expect(format.mayStateUsage.test(JSON.stringify(event))).toBe(true)
    expect(format.readUsage(format.usageMember({ ...event })).usage).toEqual(counted)
  })

  it('are no count where they are more than any model has', () => {
    expect(geminiFormat.readUsage({ promptTokenCount: 1e300, candidatesTokenCount: -5 }).usage?.total_tokens).toBe(0)
  })
})

describe('an error', () => {
  it.each<[string, AnswerFormat, object]>([
    ['OpenAI', formatOf.chat, { error: { message: 'm', type: 'invalid_request_error', param: null, code: null } }],
    ['Anthropic', formatOf.messages, { type: 'error', error: { type: 'not_found_error', message: 'm' } }],
    ['Google', geminiFormat, { error: { code: 404, message: 'm', status: 'NOT_FOUND' } }],
    ['Bedrock', invokeFormat, { message: 'm' }],
    ['Replicate', predictionFormat, { title: 'not_found_error', detail: 'm', status: 404 }],
    ['media', mediaFormat, { error: { message: 'm', type: 'invalid_request_error', param: null, code: null } }],
  ])('is told in the words of %s', (_, format, body) => expect(format.errorBody(404, 'm')).toEqual(body))
})
