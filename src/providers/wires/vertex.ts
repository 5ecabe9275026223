import { createHash, createPrivateKey, sign } from 'node:crypto'
import type { EmbeddingModelV3 } from '@ai-sdk/provider'
import { AppError } from '../../lib/errors.ts'
import { isObject, parsedJson } from '../../lib/json/json-object.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import type { WireCall } from '../provider.ts'
import { refusal } from '../upstream/errors.ts'
import { jsonOf, post } from './read-answer.ts'

const scope = 'https://www.googleapis.com/auth/cloud-platform'
/** The only address that a signed claim is sent to, whatever the key file says. */
const tokenUrl = 'https://oauth2.googleapis.com/token'
const tokenSeconds = 3600
/** A token is renewed this long before it expires. */
const spareMs = 300_000

interface ServiceAccount {
  client_email: string
  private_key: string
  project_id?: string
}

interface Token {
  value: string
  until: number
}

const isAccount = (value: unknown): value is ServiceAccount & Record<string, unknown> =>
  isObject(value) && typeof value.client_email === 'string' && typeof value.private_key === 'string'

const unusable = (problem: string): AppError =>
  new AppError('model_unavailable', `The service account for Vertex AI cannot be used: ${problem}`, {
    hint: 'Set GOOGLE_APPLICATION_CREDENTIALS_JSON to the whole JSON of its key, or GOOGLE_VERTEX_API_KEY to a key.',
  })

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The claim that Google exchanges for a token: signed with the account's key, valid for an hour. */
const claimOf = ({ client_email: email, private_key: pem }: ServiceAccount, nowMs: number): string => {
  const now = Math.floor(nowMs / 1000)
  const claim = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({
    iss: email,
    scope,
    aud: tokenUrl,
    iat: now,
    exp: now + tokenSeconds,
  })}`
  try {
    return `${claim}.${sign('RSA-SHA256', Buffer.from(claim), createPrivateKey(pem)).toString('base64url')}`
  } catch {
    // OpenSSL's message about a broken key may hold a part of it.
    throw unusable('its private_key is not a PEM key')
  }
}

const tokens = makeLru<string, Token>(100)

const askForToken = async (account: ServiceAccount, call: WireCall): Promise<Token> => {
  const answer = await call.download(tokenUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: claimOf(account, Date.now()),
    }).toString(),
    followRedirects: false,
    signal: call.signal,
  })
  const text = await answer.text()
  if (answer.status !== 200) throw refusal(call, answer.status, text, answer.headers)
  const body = parsedJson(text)
  if (!isObject(body) || typeof body.access_token !== 'string') throw unusable('Google gave no token for it')
  const seconds = typeof body.expires_in === 'number' ? body.expires_in : tokenSeconds
  return { value: body.access_token, until: Date.now() + seconds * 1000 }
}

/** The token of an account, cached until shortly before it expires. */
const tokenOf = async (account: ServiceAccount, call: WireCall): Promise<string> => {
  const name = createHash('sha256').update(account.client_email).update(account.private_key).digest('hex')
  const known = tokens.get(name)
  if (known && known.until - spareMs > Date.now()) return known.value
  const token = await askForToken(account, call)
  tokens.set(name, token)
  return token.value
}

/** A project of a domain is named `example.com:project`. */
const projectName = /^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)*(:[a-z0-9-]+)?$/
const locationName = /^[a-z0-9-]+$/

const named = (variable: string, call: WireCall, allowed: RegExp, preset: string | undefined): string => {
  const name = call.env(variable)?.trim() || preset
  if (name !== undefined && allowed.test(name)) return name
  throw unusable(`${variable} is ${name === undefined ? 'not set' : 'not a valid name'}`)
}

/** The host of a project's models, unless the base URL was set to another one. */
const hostOf = (base: string, location: string): string =>
  location === 'global' ? base : base.replace('//aiplatform.googleapis.com', `//${location}-aiplatform.googleapis.com`)

/**
 * Resolves address and credential of Vertex AI: an API key, which needs no project, or the JSON key of a service account
 * for the project that it or GOOGLE_VERTEX_PROJECT names.
 */
export const vertexAccess = async (call: WireCall): Promise<WireCall> => {
  const base = call.base_url.replace(/\/publishers\/google$/, '')
  if (!call.key?.trimStart().startsWith('{')) return { ...call, base_url: `${base}/publishers/google` }
  const account = parsedJson(call.key)
  if (!isAccount(account)) throw unusable('it has no client_email and private_key')
  const project = named('GOOGLE_VERTEX_PROJECT', call, projectName, account.project_id)
  const location = named('GOOGLE_VERTEX_LOCATION', call, locationName, 'global')
  const token = await tokenOf(account, call)
  return {
    ...call,
    base_url: `${hostOf(base, location)}/projects/${project}/locations/${location}/publishers/google`,
    headers: { authorization: `Bearer ${token}` },
    key: token,
  }
}

interface Predictions {
  predictions: { embeddings: { values: number[]; statistics?: { token_count?: number } } }[]
}

const isPredictions = (body: unknown): body is Predictions =>
  isObject(body) &&
  Array.isArray(body.predictions) &&
  body.predictions.every((one) => isObject(one) && isObject(one.embeddings) && Array.isArray(one.embeddings.values))

/** Embeddings of Vertex AI, which has a call of its own for them that Gemini's package does not know. */
export const vertexEmbeddings = (call: WireCall, modelId: string): EmbeddingModelV3 => ({
  specificationVersion: 'v3',
  provider: 'google.vertex.embedding',
  modelId,
  maxEmbeddingsPerCall: modelId.startsWith('gemini-') ? 1 : 250,
  supportsParallelCalls: true,
  async doEmbed({ values, providerOptions }) {
    const { outputDimensionality } = providerOptions?.google ?? {}
    const answer = await post(
      call,
      `${call.base_url}/models/${encodeURIComponent(modelId)}:predict`,
      {
        instances: values.map((content) => ({ content })),
        parameters: outputDimensionality === undefined ? {} : { outputDimensionality },
      },
      'application/json',
    )
    const { predictions } = await jsonOf(call, answer, 'list of vectors', isPredictions)
    const tokens = predictions.map(({ embeddings }) => embeddings.statistics?.token_count)
    const counted = tokens.every((one) => typeof one === 'number')
    return {
      embeddings: predictions.map(({ embeddings }) => embeddings.values),
      warnings: [],
      ...(counted ? { usage: { tokens: tokens.reduce((sum, one) => sum + one, 0) } } : {}),
    }
  },
})
