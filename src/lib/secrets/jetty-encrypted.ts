/**
 * Reads `jetty-encrypted/1`, the encryption of backups before age: a line of cost, salt, nonce and mac, then chunks of
 * 64 KiB in AES-256-GCM whose nonce counts them and marks the last one.
 */
import { createDecipheriv, createHmac, hkdfSync, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { AppError } from '../errors.ts'
import { makeByteReader } from '../files/byte-reader.ts'

const header = /^(jetty-encrypted\/1 (\d{1,2}) (\d{1,2}) (\d) ([\w-]{22}) ([\w-]{22})) ([\w-]{43})$/
const longestHeader = 200
const sealedBytes = 64 * 1024 + 16

export const damagedFile = (cause?: unknown): AppError =>
  new AppError('invalid', 'The encrypted file is damaged, or it was cut off', {
    hint: 'Use another copy of it.',
    cause,
  })

export const wrongPassphrase = (): AppError =>
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
export async function* decryptOldStream(source: AsyncIterable<Uint8Array>, passphrase: string): AsyncGenerator<Buffer> {
  const bytes = makeByteReader(source)
  try {
    let line = ''
    for (let byte = await bytes.take(1); byte.length > 0 && byte[0] !== 10; byte = await bytes.take(1)) {
      line += byte.toString('latin1')
      if (line.length > longestHeader) throw damagedFile()
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
