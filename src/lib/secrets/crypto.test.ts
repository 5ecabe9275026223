import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../errors.ts'
import { hashToken, makeSealer, sameText } from './crypto.ts'

const oldKey = randomBytes(32)
const newKey = randomBytes(32)

const failure = (action: () => unknown): AppError => {
  try {
    action()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('did not fail')
}

describe('makeSealer', () => {
  it('opens what it sealed, whatever the text', () => {
    const sealer = makeSealer([newKey])
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (plain, boundTo) => {
        expect(sealer.open(sealer.seal(plain, boundTo), boundTo)).toBe(plain)
      }),
    )
  })

  it('has a readable form and never seals the same text alike', () => {
    const sealer = makeSealer([newKey])
    const sealed = sealer.seal('secret', 'row 1')
    expect(sealed).toMatch(new RegExp(`^v1\\.${sealer.currentKeyId}\\.[A-Za-z0-9_-]+$`))
    expect(sealer.currentKeyId).toMatch(/^[0-9a-f]{8}$/)
    expect(sealer.seal('secret', 'row 1')).not.toBe(sealed)
  })

  it('opens texts of an older key and says that they want sealing again', () => {
    const sealed = makeSealer([oldKey]).seal('secret', 'row 1')
    const both = makeSealer([newKey, oldKey])
    expect(both.open(sealed, 'row 1')).toBe('secret')
    expect(both.needsReseal(sealed)).toBe(true)
    expect(both.needsReseal(both.seal('secret', 'row 1'))).toBe(false)
  })

  it('names the setting when no key fits', () => {
    const sealed = makeSealer([oldKey]).seal('secret', 'row 1')
    expect(failure(() => makeSealer([newKey]).open(sealed, 'row 1')).hint).toContain('JETTY_SECRET_KEY')
  })

  it('does not open for another row, nor changed, nor in another form', () => {
    const sealer = makeSealer([newKey])
    const sealed = sealer.seal('secret', 'row 1')
    expect(failure(() => sealer.open(sealed, 'row 2')).message).toContain('cannot be decrypted')
    const [version, id, body] = sealed.split('.') as [string, string, string]
    const changed = Buffer.from(body, 'base64url')
    changed[changed.length - 1]! ^= 1
    expect(failure(() => sealer.open(`${version}.${id}.${changed.toString('base64url')}`, 'row 1')).code).toBe(
      'internal',
    )
    for (const wrong of ['', 'v1', 'v2.00000000.AAAA', `v1.${id}.AAAA`, `${sealed}.x`]) {
      expect(failure(() => sealer.open(wrong, 'row 1')).message).toContain('form')
    }
  })

  it('refuses keys of a wrong length, and no key at all', () => {
    expect(failure(() => makeSealer([])).hint).toContain('JETTY_SECRET_KEY')
    expect(failure(() => makeSealer([randomBytes(16)])).hint).toContain('JETTY_SECRET_KEY')
  })
})

it('hashes tokens with sha-256 in hex', () => {
  expect(hashToken('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

it('compares texts of any length', () => {
  expect(sameText('mlc_a', 'mlc_a')).toBe(true)
  expect(sameText('mlc_a', 'mlc_b')).toBe(false)
  expect(sameText('mlc_a', 'mlc_aa')).toBe(false)
  expect(sameText('', '')).toBe(true)
})
