import { expect, test } from 'vitest'
import { makeKeyRedactors } from './key-redactor.ts'

test('a word that is given where no key is needed is redacted nowhere: it stands in every answer', () => {
  const redactorFor = makeKeyRedactors()
  expect([['ollama'], ['not-needed'], ['12345678'], ['x'], []].map(redactorFor)).toEqual(Array(5).fill(undefined))
  expect(redactorFor(['ollama', 'sk-test-123'])?.scrub.text('fp_ollama sk-test-123')).toBe('fp_ollama ***')
  expect(redactorFor(['a-long-passphrase-is-a-key'])).toBeDefined()
})

test('what begins like a key is told from what cannot become one', () => {
  const redactor = makeKeyRedactors()(['sk-(test)-123'])
  const seen = ['so: sk-(te', 'so: sk-(t', 'so: sk-(texture'].map((text) => [
    redactor?.mayBegin(text),
    redactor?.begun(text),
  ])
  expect(seen).toEqual([
    [true, 4],
    [false, 9],
    [true, 15],
  ])
})
