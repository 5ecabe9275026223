import { AppError } from '../../../../lib/errors.ts'
import type { FoundCredentials } from './places.ts'

const textOf = (document: Record<string, unknown>, name: string): string | undefined =>
  typeof document[name] === 'string' && document[name] !== '' ? (document[name] as string) : undefined

/** Reads the document in which programs, containers and instances give credentials. Throws for any other one. */
export const parseCredentials = (text: string, from: string): FoundCredentials => {
  let document: Record<string, unknown> = {}
  try {
    document = Object(JSON.parse(text))
  } catch {
    // reported below: the text may have secrets, and is not shown
  }
  const accessKeyId = textOf(document, 'AccessKeyId')
  const secretAccessKey = textOf(document, 'SecretAccessKey')
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new AppError('invalid', `The answer of ${from} has no credentials for AWS`)
  }
  const expiresMs = Date.parse(textOf(document, 'Expiration') ?? '')
  const sessionToken = textOf(document, 'SessionToken') ?? textOf(document, 'Token')
  return { accessKeyId, secretAccessKey, sessionToken, expiresMs: Number.isNaN(expiresMs) ? undefined : expiresMs }
}
