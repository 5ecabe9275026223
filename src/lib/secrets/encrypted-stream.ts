/** Encrypts streams in the format of age (https://age-encryption.org/v1), so that `age -d` opens them without Jetty. */
import { Decrypter, Encrypter } from 'age-encryption'
import { AppError } from '../errors.ts'
import { peek } from '../files/byte-reader.ts'
import { damagedFile, decryptOldStream, wrongPassphrase } from './jetty-encrypted.ts'

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
