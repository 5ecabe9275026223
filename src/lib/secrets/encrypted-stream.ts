/** Encrypts streams in the format of age (https://age-encryption.org/v1), so that `age -d` opens them without Jetty. */

import { createDecipheriv, createHmac, hkdfSync, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { Decrypter, Encrypter } from 'age-encryption'
import { AppError } from '../errors.ts'
import { makeByteReader, peek } from '../files/byte-reader.ts'

/**
 * Reads `jetty-encrypted/1`, the encryption of backups before age: a line of cost, salt, nonce and mac, then chunks of
 * 64 KiB in AES-256-GCM whose nonce counts them and marks the last one.
 */

const header = /^(jetty-encrypted\/1 (\d{1,2}) (\d{1,2}) (\d) ([\w-]{22}) ([\w-]{22})) ([\w-]{43})$/
const longestLine = 200
const sealedBytes = 64 * 1024 + 16

const damagedFile = (cause?: unknown): AppError =>
  new AppError('invalid', 'The encrypted file is damaged, or it was cut off', {
    hint: 'Use another copy of it.',
    cause,
  })

const wrongPassphrase = (): AppError =>
  new AppError('invalid', 'The passphrase does not fit this file', {
    hint: 'Give the passphrase with which it was encrypted.',
  })

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt)

/** The last secret, by what it was derived from: the files of a folder have the same salt. */
let last: { from: string; secret: Promise<Buffer> } | undefined

const secretOf = (passphrase: string, salt: string, N: number, r: number, p: number): Promise<Buffer> => {
  const from = JSON.stringify([passphrase, salt, N, r, p])
  if (last?.from !== from) {
    const bytes = Buffer.from(salt, 'base64url')
    last = { from, secret: derive(passphrase.normalize('NFKC'), bytes, 32, { N, r, p, maxmem: 256 * N * r }) }
  }
  return last.secret
}

const readKey = async (line: string, passphrase: string): Promise<Buffer> => {
  const [, signed = '', log2N, r, p, salt = '', nonce = '', mac = ''] = header.exec(line) ?? []
  const [logN, blocks, lanes] = [Number(log2N), Number(r), Number(p)]
  // A higher cost would let a foreign file take the memory of this machine.
  if (!(logN > 0 && logN <= 20 && blocks > 0 && blocks <= 16 && lanes > 0 && lanes <= 4)) throw damagedFile()
  const secret = await secretOf(passphrase, salt, 2 ** logN, blocks, lanes)
  const part = (info: string) => Buffer.from(hkdfSync('sha256', secret, Buffer.from(nonce, 'base64url'), info, 32))
  const expected = createHmac('sha256', part('header')).update(signed).digest()
  if (!timingSafeEqual(expected, Buffer.from(mac, 'base64url'))) throw wrongPassphrase()
  return part('chunks')
}

const openChunk = (key: Buffer, chunk: Buffer, index: number, isLast: boolean): Buffer => {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(index, 5, 6)
  nonce[11] = isLast ? 1 : 0
  const end = chunk.length - 16
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 })
    decipher.setAuthTag(chunk.subarray(end))
    return Buffer.concat([decipher.update(chunk.subarray(0, end)), decipher.final()])
  } catch (cause) {
    throw damagedFile(cause)
  }
}

/** Yields the stream decrypted. Every byte that it yields is authentic. */
async function* decryptOldStream(source: AsyncIterable<Uint8Array>, passphrase: string): AsyncGenerator<Buffer> {
  const bytes = makeByteReader(source)
  try {
    let line = ''
    for (let byte = await bytes.take(1); byte.length > 0 && byte[0] !== 10; byte = await bytes.take(1)) {
      line += byte.toString('latin1')
      if (line.length > longestLine) throw damagedFile()
    }
    const key = await readKey(line, passphrase)
    let chunk = await bytes.take(sealedBytes)
    for (let index = 0; ; index++) {
      const following = await bytes.take(sealedBytes)
      yield openChunk(key, chunk, index, following.length === 0)
      if (following.length === 0) return
      chunk = following
    }
  } finally {
    await bytes.close()
  }
}

/** scrypt with 128 MiB of memory, about a second: half of what age takes, for small machines. */
const workFactor = 17

/** Yields the stream encrypted, with a passphrase or for the public key of an identity. */
export async function* encryptStream(
  source: AsyncIterable<Uint8Array>,
  key: { passphrase: string } | { recipient: string },
): AsyncGenerator<Uint8Array> {
  const encrypter = new Encrypter()
  if ('recipient' in key) encrypter.addRecipient(key.recipient)
  else encrypter.setPassphrase(key.passphrase)
  encrypter.setScryptWorkFactor(workFactor)
  const plain = source[Symbol.asyncIterator]()
  try {
    yield* await encrypter.encrypt(ReadableStream.from({ [Symbol.asyncIterator]: () => plain }))
  } finally {
    await plain.return?.() // a cancelled web stream does not wait for its source, which holds a connection
  }
}

/** Whether a stream that begins with these bytes is encrypted. */
export const isEncrypted = (beginning: Uint8Array): boolean =>
  /^(age-encryption\.org\/v1\n|jetty-encrypted\/1 )/.test(Buffer.from(beginning.subarray(0, 32)).toString('latin1'))

/** The library holds a header in memory, whatever its length. */
const longestHeader = 16 * 1024
const ageHeader = /^age-encryption\.org\/v1\n.*\n--- [\w+/]{43}\n/s

const faultOf = (error: unknown): unknown => {
  // Errors of the source: its file cannot be read.
  if (error instanceof AppError || (error as NodeJS.ErrnoException).syscall) return error
  return /no identity matched/.test(String(error)) ? wrongPassphrase() : damagedFile(error)
}

/** Yields the stream decrypted, as one of `jetty-encrypted/1` too. Every byte that it yields is authentic. */
export async function* decryptStream(
  source: AsyncIterable<Uint8Array>,
  { passphrase, identity }: { passphrase: string; identity?: string | undefined },
): AsyncGenerator<Buffer> {
  const { head, whole } = await peek(source, longestHeader)
  const beginning = head.toString('latin1')
  if (beginning.startsWith('jetty-encrypted/1 ')) return yield* decryptOldStream(whole, passphrase)
  try {
    if (!ageHeader.test(beginning)) throw noHeader()
    const decrypter = new Decrypter()
    if (identity) decrypter.addIdentity(identity)
    else decrypter.addPassphrase(passphrase)
    for await (const chunk of await decrypter.decrypt(ReadableStream.from(whole))) {
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    }
  } catch (error) {
    throw faultOf(error)
  } finally {
    await whole.return()
  }
}

const noHeader = (): AppError =>
  new AppError('invalid', 'The encrypted file has no valid header', { hint: 'Check that it is a whole backup.' })
