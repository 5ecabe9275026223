import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'

const nonceBytes = 12
const tagBytes = 16

/** Encrypts short texts at rest. A sealed text opens only with its key and for the same `boundTo`. */
export interface Sealer {
  /** Id of the key that new texts are sealed with: the first 8 hex digits of its sha-256. */
  readonly currentKeyId: string
  /** Ids of all keys, newest first. */
  readonly keyIds: readonly string[]
  /** Makes this key the newest, used for new texts; older keys still decrypt. */
  addNewest(key: Buffer): void
  /** Encrypts a text. `boundTo` names its row, so that a sealed text copied to another row does not decrypt. */
  seal(plain: string, boundTo: string): string
  /** Decrypts a text. Throws `internal` when no key fits, or the text was changed or moved. */
  open(sealed: string, boundTo: string): string
  /** Whether the text was encrypted with an older key. */
  needsReseal(sealed: string): boolean
}

const keyIdOf = (key: Buffer): string => createHash('sha256').update(key).digest('hex').slice(0, 8)

const parse = (sealed: string): { keyId: string; packed: Buffer } => {
  const [version, keyId, body, ...rest] = sealed.split('.')
  const packed = Buffer.from(body ?? '', 'base64url')
  if (version !== 'v1' || !keyId || packed.length < nonceBytes + tagBytes || rest.length > 0) {
    throw new AppError('internal', 'A stored secret does not have the format of this version (v1.<key id>.<text>)', {
      hint: 'It is damaged, or a newer version of the server wrote it. Set the secret again.',
    })
  }
  return { keyId, packed }
}

/** AES-256-GCM with 32-byte keys, newest first: the first one encrypts, all of them decrypt. */
export const makeSealer = (keys: Buffer[]): Sealer => {
  const checked = (key: Buffer | undefined): Buffer => {
    if (key?.length === 32) return key
    throw new AppError('internal', 'An encryption key must be exactly 32 bytes', {
      hint: 'Set JETTY_SECRET_KEY to 32 random bytes, for example from `openssl rand -base64 32`.',
    })
  }
  let newest = checked(keys[0])
  let currentKeyId = keyIdOf(newest)
  const byId = new Map(keys.map((key) => [keyIdOf(checked(key)), key]))
  const boundText = (keyId: string, boundTo: string) => Buffer.from(`v1.${keyId}.${boundTo}`)

  return {
    get currentKeyId() {
      return currentKeyId
    },
    get keyIds() {
      return [currentKeyId, ...[...byId.keys()].filter((id) => id !== currentKeyId)]
    },
    addNewest(key) {
      newest = checked(key)
      currentKeyId = keyIdOf(newest)
      byId.set(currentKeyId, newest)
    },
    seal(plain, boundTo) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', newest, nonce).setAAD(boundText(currentKeyId, boundTo))
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      return `v1.${currentKeyId}.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`
    },
    open(sealed, boundTo) {
      const { keyId, packed } = parse(sealed)
      const key = byId.get(keyId)
      if (!key) {
        throw new AppError(
          'internal',
          `A stored secret was encrypted with key ${keyId}, which this server does not have`,
          {
            hint: 'Add the earlier key to JETTY_SECRET_KEY, after the new one, or set the secret again.',
          },
        )
      }
      const nonce = packed.subarray(0, nonceBytes)
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
      decipher.setAAD(boundText(keyId, boundTo))
      decipher.setAuthTag(packed.subarray(nonceBytes, nonceBytes + tagBytes))
      try {
        return Buffer.concat([decipher.update(packed.subarray(nonceBytes + tagBytes)), decipher.final()]).toString()
      } catch (cause) {
        throw new AppError(
          'internal',
          'A stored secret cannot be decrypted: it was changed, or moved from another row',
          {
            hint: 'Set the secret again. If all secrets fail, check that JETTY_SECRET_KEY is the key they were encrypted with.',
            cause,
          },
        )
      }
    },
    needsReseal: (sealed) => parse(sealed).keyId !== currentKeyId,
  }
}

/**
 * Hash under which a token is stored: SHA-256 in hex. Enough for random tokens of at least 128 bits, not for passwords.
 */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex')

/** Compares two secrets in constant time, which reveals neither them nor their lengths. */
export const sameText = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
