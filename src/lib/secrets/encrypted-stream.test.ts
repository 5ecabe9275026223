import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { decryptStream, encryptStream, isEncrypted } from './encrypted-stream.ts'

const passphrase = 'correct horse battery staple'
const chunk = 64 * 1024
const tag = 16

const sealed = (plain: Buffer) =>
  buffer(Readable.from(encryptStream(Readable.from([plain]), passphrase, { cost: { log2N: 10, r: 8, p: 1 } })))
const opened = (bytes: Buffer, given = passphrase) =>
  buffer(Readable.from(decryptStream(Readable.from([bytes]), given)))

describe('an encrypted stream', () => {
  it.each([0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 17])('of %i bytes comes back', async (size) => {
    const plain = randomBytes(size)
    const bytes = await sealed(plain)
    expect(isEncrypted(bytes)).toBe(true)
    expect((await opened(bytes)).equals(plain)).toBe(true)
  })

  it('names a wrong passphrase', async () => {
    await expect(opened(await sealed(Buffer.from('x')), 'another one')).rejects.toThrow('does not fit')
  })

  it('is refused where anything of it was changed, cut off, repeated or exchanged', async () => {
    const bytes = await sealed(randomBytes(3 * chunk))
    const body = bytes.indexOf(10) + 1
    const pieces = [0, 1, 2].map((n) => bytes.subarray(body + n * (chunk + tag), body + (n + 1) * (chunk + tag)))
    const head = bytes.subarray(0, body)
    const [first, second, third] = pieces as [Buffer, Buffer, Buffer]
    const changed = Buffer.from(bytes)
    changed[body + 5] = (changed[body + 5] ?? 0) ^ 1
    for (const broken of [
      changed,
      Buffer.concat([head, first, second]),
      Buffer.concat([head, second, first, third]),
      Buffer.concat([head, first, first, second, third]),
      Buffer.concat([bytes, third]),
      bytes.subarray(0, bytes.length - 1),
      head,
    ]) {
      await expect(opened(broken)).rejects.toMatchObject({ code: 'invalid' })
    }
  })

  it.each([
    ['no header', 'something else\n'],
    ['no line', 'x'.repeat(1000)],
    [
      'more memory than it may ask for',
      `jetty-encrypted/1 30 8 1 ${'a'.repeat(22)} ${'a'.repeat(22)} ${'a'.repeat(43)}\n`,
    ],
    ['nothing', ''],
  ])('is refused with %s', async (_, text) => {
    await expect(opened(Buffer.from(text))).rejects.toThrow('no valid header')
  })
})
