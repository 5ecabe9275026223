import { expect, it } from 'vitest'
import { makeScrubber } from '../../lib/secrets/scrub.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import { fitEvent } from './event-log.ts'

const secret = 'a secret that is long enough'
const scrub = makeScrubber([['KEY', secret]])
const fitted = (event: NewAgentEvent) => {
  const text = fitEvent(event, scrub)
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(64 * 1024)
  return JSON.parse(text)
}
const call = (input: unknown): NewAgentEvent => ({ type: 'tool_call', id: '1', name: 'Write', input })

it('keeps what is small as it is, without secrets', () => {
  expect(fitted(call({ path: 'a', text: `it is ${secret}` }))).toEqual(call({ path: 'a', text: 'it is ***' }))
})

it('shortens long texts, and says by how much', () => {
  const { input } = fitted(call({ path: 'a', text: 'x'.repeat(100_000) }))
  expect(input.path).toBe('a')
  expect(input.text).toMatch(/^x+… \(\d+ more characters\)$/)
})

it('strikes a secret out before it could be cut in half', () => {
  const text = `${'x'.repeat(16 * 1024 - 10)}${secret}${'y'.repeat(100_000)}`
  expect(JSON.stringify(fitted(call({ text })))).not.toContain('a secret')
})

it.each([
  ['many small values', Array.from({ length: 50_000 }, (_, at) => ({ at }))],
  ['many names', Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`name-${at}`, 'value']))],
  ['characters of many bytes', '🙂'.repeat(60_000)],
  ['control characters, which JSON writes in six', '\u0001'.repeat(60_000)],
  ['a pair that would be cut in half', `x${'🙂'.repeat(60_000)}`],
])('bounds %s', (_, input) => {
  const event = fitted(call(input))
  expect(event).toMatchObject({ type: 'tool_call', id: '1', name: 'Write' })
  expect(JSON.stringify(event)).not.toMatch(/\\ud83d…/i)
})
