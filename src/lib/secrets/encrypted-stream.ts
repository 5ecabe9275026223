/**
 * Encrypts a stream with a passphrase, in the way of age: scrypt makes the key, and AES-256-GCM encrypts chunks of
 * 64 KiB whose nonce counts them and marks the last one. So chunks cannot be changed, exchanged, or left out.
 *
 * The stream begins with a line `jetty-encrypted/1 <log2 N> <r> <p> <salt> <nonce> <mac>`; the mac tells a wrong
 * passphrase from damage.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  scrypt,
  timingSafeEqual,
} from 'node:crypto'
import { promisify } from 'node:util'
import { AppError } from '../errors.ts'
import { makeByteReader } from '../files/byte-reader.ts'

const magic = 'jetty-encrypted/1'
const chunkBytes = 64 * 1024
const tagBytes = 16
/** 128 MiB of memory and about half a second: as age uses it, halved. */
const usualCost = { log2N: 17, r: 8, p: 1 }
const highestCost = { log2N: 20, r: 16, p: 4 }
const longestHeader = 200

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt)

interface Keys {
  chunks: Buffer
  header: Buffer
}

/** The newest secrets, by what they were derived from: many files of one folder have the same salt. */
const secrets = new Map<string, Promise<Buffer>>()
const mostSecrets = 4

const secretOf = (passphrase: string, { log2N, r, p }: typeof usualCost, salt: Buffer): Promise<Buffer> => {
  const from = JSON.stringify([passphrase, log2N, r, p, salt.toString('base64')])
  const known = secrets.get(from)
  if (known) return known
  if (secrets.size >= mostSecrets) secrets.clear()
  const N = 2 ** log2N
  const secret = derive(passphrase.normalize('NFKC'), salt, 32, { N, r, p, maxmem: 256 * N * r })
  secrets.set(from, secret)
  return secret
}

const keysOf = async (passphrase: string, cost: typeof usualCost, salt: Buffer, nonce: Buffer): Promise<Keys> => {
  const secret = await secretOf(passphrase, cost, salt)
  const part = (info: string) => Buffer.from(hkdfSync('sha256', secret, nonce, info, 32))
  return { chunks: part('chunks'), header: part('header') }
}

const macOf = (keys: Keys, header: string): Buffer => createHmac('sha256', keys.header).update(header).digest()

const nonceOf = (index: number, isLast: boolean): Buffer => {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(index, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

/** Yields the stream encrypted. */
export async function* encryptStream(
  source: AsyncIterable<Uint8Array>,
  passphrase: string,
  /** Work of a guess, which tests make less; and a salt that files of one folder share. */
  { cost = usualCost, salt = randomBytes(16) }: { cost?: typeof usualCost; salt?: Buffer } = {},
): AsyncGenerator<Uint8Array> {
  const nonce = randomBytes(16)
  const keys = await keysOf(passphrase, cost, salt, nonce)
  const header = `${magic} ${cost.log2N} ${cost.r} ${cost.p} ${salt.toString('base64url')} ${nonce.toString('base64url')}`
  yield Buffer.from(`${header} ${macOf(keys, header).toString('base64url')}\n`)
  const bytes = makeByteReader(source)
  let chunk = await bytes.take(chunkBytes)
  for (let index = 0; ; index++) {
    const following = chunk.length < chunkBytes ? Buffer.alloc(0) : await bytes.take(chunkBytes)
    const isLast = following.length === 0
    const cipher = createCipheriv('aes-256-gcm', keys.chunks, nonceOf(index, isLast))
    yield Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()])
    if (isLast) return
    chunk = following
  }
}

const damaged = (cause?: unknown): AppError =>
  new AppError('invalid', 'The encrypted file is damaged, or it was cut off', {
    hint: 'Use another copy of it. The passphrase is right.',
    cause,
  })

const noHeader = (): AppError =>
  new AppError('invalid', 'The encrypted file has no valid header', { hint: 'Check that it is a whole backup.' })

/** Whether a stream that begins with these bytes is encrypted. */
export const isEncrypted = (beginning: Uint8Array): boolean =>
  Buffer.from(beginning.subarray(0, magic.length + 1)).toString('latin1') === `${magic} `

const readHeader = async (line: string, passphrase: string): Promise<Keys> => {
  const match = /^(jetty-encrypted\/1 (\d{1,2}) (\d{1,2}) (\d) ([\w-]{22}) ([\w-]{22})) ([\w-]{43})$/.exec(line)
  const [, header = '', log2N, r, p, salt = '', nonce = '', mac = ''] = match ?? []
  const wanted = { log2N: Number(log2N), r: Number(r), p: Number(p) }
  // More would let a foreign file take the memory of this machine.
  const isBearable = wanted.log2N <= highestCost.log2N && wanted.r <= highestCost.r && wanted.p <= highestCost.p
  if (!match || !isBearable || wanted.log2N * wanted.r * wanted.p === 0) throw noHeader()
  const keys = await keysOf(passphrase, wanted, Buffer.from(salt, 'base64url'), Buffer.from(nonce, 'base64url'))
  if (timingSafeEqual(macOf(keys, header), Buffer.from(mac, 'base64url'))) return keys
  throw new AppError('invalid', 'The passphrase does not fit this file', {
    hint: 'Give the passphrase with which it was encrypted.',
  })
}

/** Yields the stream decrypted. Every byte that it yields is authentic. */
export async function* decryptStream(
  source: AsyncIterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Uint8Array> {
  const bytes = makeByteReader(source)
  try {
    let line = ''
    for (let byte = await bytes.take(1); byte.length === 1 && byte[0] !== 10; byte = await bytes.take(1)) {
      line += byte.toString('latin1')
      if (line.length > longestHeader) throw noHeader()
    }
    const keys = await readHeader(line, passphrase)
    let chunk = await bytes.take(chunkBytes + tagBytes)
    for (let index = 0; ; index++) {
      const following = await bytes.take(chunkBytes + tagBytes)
      const isLast = following.length === 0
      yield openChunk(keys, chunk, nonceOf(index, isLast))
      if (isLast) return
      chunk = following
    }
  } finally {
    await bytes.close()
  }
}

const openChunk = (keys: Keys, chunk: Buffer, nonce: Buffer): Buffer => {
  if (chunk.length < tagBytes) throw damaged()
  const decipher = createDecipheriv('aes-256-gcm', keys.chunks, nonce, { authTagLength: tagBytes })
  decipher.setAuthTag(chunk.subarray(chunk.length - tagBytes))
  try {
    return Buffer.concat([decipher.update(chunk.subarray(0, chunk.length - tagBytes)), decipher.final()])
  } catch (cause) {
    throw damaged(cause)
  }
}
