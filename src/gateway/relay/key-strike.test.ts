import { expect, test } from 'vitest'
import { makeKeyStrikes } from './key-strike.ts'

test('a word that is given where no key is needed is struck out of nothing; it stands in every answer', () => {
  const strikeOf = makeKeyStrikes()
  expect([['ollama'], ['not-needed'], ['12345678'], ['x'], []].map(strikeOf)).toEqual(Array(5).fill(undefined))
  expect(strikeOf(['ollama', 'sk-test-123'])?.scrub.text('fp_ollama sk-test-123')).toBe('fp_ollama ***')
  expect(strikeOf(['a-long-passphrase-is-a-key'])).toBeDefined()
})

test('what begins like a key is told from what cannot become one', () => {
  const strike = makeKeyStrikes()(['sk-(test)-123'])
  const seen = ['so: sk-(te', 'so: sk-(t', 'so: sk-(texture'].map((text) => [
    strike?.mayBegin(text),
    strike?.begun(text),
  ])
  expect(seen).toEqual([
    [true, 4],
    [false, 9],
    [true, 15],
  ])
})
