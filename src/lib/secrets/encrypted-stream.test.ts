import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { describe, expect, it } from 'vitest'
import { decryptStream, encryptStream, isEncrypted } from './encrypted-stream.ts'

const passphrase = 'correct horse battery staple'
const chunk = 64 * 1024
const tag = 16

const identity = await generateX25519Identity()
const recipient = await identityToRecipient(identity)

const sealed = (plain: Buffer, key: Parameters<typeof encryptStream>[1] = { recipient }) =>
  buffer(Readable.from(encryptStream(Readable.from([plain]), key)))
const opened = (bytes: Buffer, keys: Parameters<typeof decryptStream>[1] = { passphrase, identity }) =>
  buffer(Readable.from(decryptStream(Readable.from([bytes]), keys)))

describe('an encrypted stream', () => {
  it.each([0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 17])('of %i bytes comes back', async (size) => {
    const plain = randomBytes(size)
    const bytes = await sealed(plain)
    expect(isEncrypted(bytes)).toBe(true)
    expect((await opened(bytes)).equals(plain)).toBe(true)
  })

  it('opens with its passphrase, and names a wrong one', async () => {
    const bytes = await sealed(Buffer.from('x'), { passphrase })
    expect((await opened(bytes, { passphrase })).toString()).toBe('x')
    await expect(opened(bytes, { passphrase: 'another one' })).rejects.toThrow('does not fit')
  })

  it('opens with a passphrase in the library of age', async () => {
    const age = new Decrypter()
    age.addPassphrase(passphrase)
    expect(await age.decrypt(await sealed(Buffer.from('x'), { passphrase }), 'text')).toBe('x')
  })

  it('ends after its source, where its reader stops early', async () => {
    let isClosed = false
    const source = async function* () {
      try {
        for (;;) yield Buffer.alloc(chunk)
      } finally {
        await new Promise((resolve) => setImmediate(resolve))
        isClosed = true
      }
    }
    for await (const _ of encryptStream(source(), { recipient })) break
    expect(isClosed).toBe(true)
  })

  it('passes on the error of its source', async () => {
    const broken = async function* () {
      yield Buffer.from('x')
      throw Object.assign(new Error('read failed'), { syscall: 'read' })
    }
    await expect(buffer(Readable.from(encryptStream(broken(), { recipient })))).rejects.toThrow('read failed')
    const cut = async function* () {
      yield await sealed(Buffer.alloc(3 * chunk))
      throw Object.assign(new Error('read failed'), { syscall: 'read' })
    }
    await expect(buffer(Readable.from(decryptStream(cut(), { passphrase, identity })))).rejects.toThrow('read failed')
  })

  it('is refused where anything of it was changed, cut off, repeated or exchanged', async () => {
    const bytes = await sealed(randomBytes(3 * chunk))
    const body = bytes.indexOf('\n', bytes.indexOf('--- ')) + 1 + 16
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
    ['a header without an end', `age-encryption.org/v1\n${'x'.repeat(100_000)}`],
    ['nothing', ''],
  ])('is refused with %s', async (_, text) => {
    await expect(opened(Buffer.from(text))).rejects.toThrow('no valid header')
  })

  it('is refused with more memory than it may ask for', async () => {
    const bytes = await sealed(Buffer.from('x'), { passphrase })
    const costly = Buffer.from(bytes.toString('latin1').replace(/(-> scrypt \S+) 17/, '$1 30'), 'latin1')
    await expect(opened(costly, { passphrase })).rejects.toThrow('is damaged')
  })
})

describe('a file of jetty-encrypted/1', () => {
  const folder = 'test/integration/server/old-backups'
  const old = readFileSync(`${folder}/objects/0e/0e2d2b2c-6c5e-4d1c-9b57-0a3c9d1f2e11`)

  it('comes back', async () => {
    expect(isEncrypted(old)).toBe(true)
    expect((await opened(old)).toString()).toBe('bytes')
  })

  it('is refused where it was changed or cut off, or the passphrase is wrong', async () => {
    const changed = Buffer.from(old)
    changed[old.length - 20] = (changed[old.length - 20] ?? 0) ^ 1
    for (const broken of [changed, old.subarray(0, old.length - 1), old.subarray(0, 50), Buffer.concat([old, old])]) {
      await expect(opened(broken)).rejects.toThrow('is damaged')
    }
    await expect(opened(old, { passphrase: 'another one' })).rejects.toThrow('does not fit')
    const costly = Buffer.from(old.toString('latin1').replace(' 17 8 1 ', ' 30 8 1 '), 'latin1')
    await expect(opened(costly)).rejects.toThrow('is damaged')
  })
})
