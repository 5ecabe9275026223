import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readCallback, signCallback } from './callback-token.ts'

const key = randomBytes(32)
const targets = fc.record({
  runKey: fc.string({ minLength: 1, maxLength: 80 }),
  step: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/),
})

it('a token names what it was signed for, and always reads the same', () => {
  fc.assert(
    fc.property(targets, (target) => {
      const token = signCallback(key, target)
      expect(token).toMatch(/^[\w.-]+$/)
      expect(readCallback(key, token)).toEqual(target)
      expect(signCallback(key, target)).toBe(token)
      expect(readCallback(randomBytes(32), token)).toBeUndefined()
    }),
  )
})

it('a token with one changed character is none', () => {
  fc.assert(
    fc.property(targets, fc.nat(), fc.constantFrom('A', 'z', '.', '-', ''), (target, place, character) => {
      const token = signCallback(key, target)
      const at = place % token.length
      const forged = token.slice(0, at) + character + token.slice(at + 1)
      expect(readCallback(key, forged)).toEqual(forged === token ? target : undefined)
    }),
  )
})

it.each(['', '.', '..', 'a.b.c', `${'a'.repeat(2_000)}.b.${'c'.repeat(43)}`, `a.b.${'c'.repeat(43)}\n`])(
  '%j is none',
  (token) => expect(readCallback(key, token)).toBeUndefined(),
)
