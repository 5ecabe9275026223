import { expect, test } from 'vitest'
import { formatOf, geminiFormat } from '../formats/formats.ts'
import { atLeast, estimatedPrompt, makeTokenEstimate } from './estimate.ts'

const estimated = (words: RegExp, ...events: unknown[]): number => {
  const estimate = makeTokenEstimate(words)
  for (const event of events) estimate.take(JSON.stringify(event))
  return estimate.tokens
}
const said = 'x'.repeat(400)
const calling = { function: { name: 'f', arguments: `{"a":"${said}"}` } }

test('a prompt is a token for four Latin characters, two of other scripts, and one of East Asia, without files', () => {
  expect(estimatedPrompt(Buffer.from('a b '.repeat(100)))).toBe(100)
  expect(estimatedPrompt(Buffer.from('ü ç '.repeat(100)))).toBe(100)
  expect(estimatedPrompt(Buffer.from('да'.repeat(100)))).toBe(100)
  expect(estimatedPrompt(Buffer.from('码头'.repeat(50)))).toBe(100)
  expect(estimatedPrompt(Buffer.from(`{"url":"data:image/png;base64,${'A'.repeat(400_000)}"}`))).toBeLessThan(20)
})

test.each([
  ['a chat', formatOf.chat.words, { choices: [{ delta: { content: said } }] }],
  ['a call of a tool', formatOf.chat.words, { choices: [{ delta: { tool_calls: [calling] } }] }],
  ['a message', formatOf.messages.words, { delta: { type: 'text_delta', text: said } }],
  ['a response', formatOf.responses.words, { type: 'response.output_text.delta', delta: said }],
  ['Gemini', geminiFormat.words, { candidates: [{ content: { parts: [{ text: said }] } }] }],
])('an answer is a token for four characters that the model wrote: %s', (_, words, event) => {
  expect(estimated(words, event)).toBeGreaterThanOrEqual(100)
  expect(estimated(words, event)).toBeLessThan(105)
})

test('an event is a token at the least, so that words under an unknown name count', () => {
  expect(estimated(formatOf.chat.words, ...Array(50).fill({ choices: [{ delta: { content: 'a' } }] }))).toBe(50)
  expect(estimated(formatOf.chat.words, ...Array(50).fill({ unheard_of: said }))).toBe(50)
})

test('a response does not count the words again that its last events repeat', () => {
  const delta = { type: 'response.output_text.delta', delta: said }
  const done = { type: 'response.output_text.done', text: said }
  expect(estimated(formatOf.responses.words, delta, done)).toBe(100)
})

test('usage that was stated at the start of a broken answer is raised to what has arrived, and never lowered', () => {
  const usage = { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11, cached_tokens: 4 }
  const raised = { prompt_tokens: 10, completion_tokens: 50, total_tokens: 60, cached_tokens: 4, estimated: true }
  expect(atLeast(usage, 50)).toEqual(raised)
  expect(atLeast(usage, 1)).toBe(usage)
})
