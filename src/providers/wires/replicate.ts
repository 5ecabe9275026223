import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import type { FetchElsewhere, PredictedFile, Prediction, PredictionRequest } from '../../model/gateway/prediction.ts'
import { withRetries } from '../upstream/retry.ts'
import { askReplicate, type ReplicateAccount, strange } from './replicate-api.ts'

const predictionSchema = z.looseObject({
  id: z.string().regex(/^[\w-]{1,200}$/),
  status: z.string(),
  version: z.string().nullish(),
  output: z.unknown(),
  error: z.unknown(),
  logs: z.string().nullish(),
  metrics: z.looseObject({ predict_time: z.number().nullish() }).nullish(),
})

type State = z.infer<typeof predictionSchema>

/**
 * Seconds for which Replicate holds the first answer back, in case the model is quick. A prediction cannot be cancelled
 * meanwhile.
 */
const waitSeconds = 10
const firstPauseMs = 500
const longestPauseMs = 5000
/** Failed polls in a row before a prediction is given up: about a minute, and the time of the retries. */
const mostMissed = 12
const cancelSeconds = 10
/** The shortest lifetime that it accepts. */
const shortestLifeSeconds = 5
const shownLog = 500
const fileSeconds = 600

interface Name {
  owner: string
  name: string
  version: string | undefined
}

const nameOf = (model: string): Name => {
  const [, owner, name, version] = /^([\w-][\w.-]*)\/([\w-][\w.-]*)(?::([\w.-]+))?$/.exec(model.trim()) ?? []
  if (owner !== undefined && name !== undefined) return { owner, name, version }
  throw new AppError('parameter_invalid', `'${model.slice(0, 200)}' is not a model of Replicate`, {
    hint: 'Use owner/name or owner/name:version, such as black-forest-labs/flux-schnell.',
  })
}

const read = (body: unknown): State => {
  const parsed = predictionSchema.safeParse(body)
  if (parsed.success) return parsed.data
  throw strange('something other than a prediction')
}

const isNotFound = (error: unknown): boolean => error instanceof AppError && error.extra?.upstream_status === 404

const latestVersion = async (
  account: ReplicateAccount,
  { owner, name }: Name,
  signal: AbortSignal,
): Promise<string> => {
  const body = await askReplicate(account, { method: 'GET', path: `/models/${owner}/${name}`, signal }, signal)
  const parsed = z.looseObject({ latest_version: z.looseObject({ id: z.string() }) }).safeParse(body)
  if (parsed.success) return parsed.data.latest_version.id
  throw new AppError('upstream_failed', `Model '${owner}/${name}' at Replicate has no version that can be run`, {
    hint: 'Name one: owner/name:version.',
  })
}

/**
 * Creates a prediction: of an official model by its name, of any other by the named version or its latest one. The request
 * itself is never interrupted: a prediction can only be cancelled once its id is known.
 */
const create = async (
  account: ReplicateAccount,
  { model, input, lifetimeSeconds }: PredictionRequest,
  signal: AbortSignal,
): Promise<State> => {
  const name = nameOf(model)
  const seconds = Math.max(1, Math.min(waitSeconds, Math.floor(account.limits.firstByteSeconds / 2)))
  const headers = {
    'content-type': 'application/json',
    prefer: `wait=${seconds}`,
    'cancel-after': `${Math.max(shortestLifeSeconds, Math.ceil(lifetimeSeconds))}s`,
  }
  const post = async (path: string, body: Record<string, unknown>) =>
    read(await askReplicate(account, { method: 'POST', path, headers, body: JSON.stringify(body) }, signal))
  if (name.version !== undefined) return post('/predictions', { version: name.version, input })
  try {
    return await post(`/models/${name.owner}/${name.name}/predictions`, { input })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  return post('/predictions', { version: await latestVersion(account, name, signal), input })
}

const cancel = async (account: ReplicateAccount, { id }: State): Promise<void> => {
  const signal = AbortSignal.timeout(cancelSeconds * 1000)
  // If it cannot be cancelled, it ends with its lifetime.
  await askReplicate(account, { method: 'POST', path: `/predictions/${id}/cancel`, signal }, signal).catch(() => {})
}

const hasEnded = ({ status }: State): boolean => ['succeeded', 'failed', 'canceled', 'aborted'].includes(status)

/** Whether only the connection failed, so that the prediction continues. */
const isOutOfReach = (error: unknown): boolean => {
  if (!(error instanceof AppError)) return false
  const status = Number(error.extra?.upstream_status ?? 0)
  return error.code === 'network_failed' || error.code === 'timed_out' || status === 429 || status >= 500
}

const untilEnded = async (account: ReplicateAccount, created: State, signal: AbortSignal): Promise<State> => {
  let state = created
  let missed = 0
  for (let pauseMs = firstPauseMs; !hasEnded(state); pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    await delay(pauseMs, undefined, { signal })
    try {
      state = read(await askReplicate(account, { method: 'GET', path: `/predictions/${created.id}`, signal }, signal))
      missed = 0
    } catch (error) {
      missed += 1
      if (!isOutOfReach(error) || missed > mostMissed) throw error
    }
  }
  return state
}

const failureOf = ({ target: { key } }: ReplicateAccount, { id, status, error, logs }: State): AppError => {
  const words = typeof error === 'string' ? error : error ? JSON.stringify(error) : 'no reason was given'
  const log = logs?.trim().slice(-shownLog)
  const end = log ? `; its log ends: ${log}` : ''
  const text = status === 'failed' ? `failed: ${words}${end}` : `was cancelled at Replicate (${status})`
  return new AppError('upstream_failed', `Prediction ${id} ${key ? text.replaceAll(key, '***') : text}`, {
    hint: `Its page says more: https://replicate.com/p/${id}`,
  })
}

const filePath = /^\/files\/\w[\w.-]*(?:\/\w[\w.-]*)?$/

/**
 * Whether a URL is one of the API's own files. No other URL is read with the key: an output holds whatever its model wrote,
 * such as a URL that describes the account of the key.
 */
const isFileOf = ({ target: { base_url: base } }: ReplicateAccount, text: string): boolean => {
  if (!URL.canParse(text)) return false
  const url = new URL(text).href.split(/[?#]/, 1)[0] ?? ''
  const api = new URL(base).href.replace(/\/$/, '')
  return url.startsWith(api) && filePath.test(url.slice(api.length))
}

/** Requests a file from the API, or the address of the file. */
const fromApi = (account: ReplicateAccount, url: string, signal: AbortSignal) =>
  account.fetch(url, {
    headers: { ...account.target.headers },
    followRedirects: false,
    timeoutSeconds: fileSeconds,
    signal,
  })

const fetchFile = async (
  account: ReplicateAccount,
  url: string,
  elsewhere: FetchElsewhere,
  signal: AbortSignal,
): Promise<PredictedFile> => {
  const from = url.split('?', 1)[0] // the query holds the signature
  const first = isFileOf(account, url) ? await fromApi(account, url, signal) : undefined
  const moved = first && first.status >= 300 && first.status < 400 ? first.headers.location : undefined
  const answer =
    first && moved === undefined ? first : await elsewhere(moved === undefined ? url : new URL(moved, url).href)
  if (answer.status < 200 || answer.status > 299) {
    throw new AppError('upstream_failed', `Fetching ${from} failed: it answered ${answer.status}`, {
      retryable: answer.status === 429 || answer.status >= 500,
    })
  }
  return { bytes: await answer.bytes(), type: answer.headers['content-type'] ?? '' }
}

/** Replicate's own hosts for what its models make. */
const ownHost = /(^|\.)replicate\.(delivery|com)$/

/** Makes a prediction and waits for its end. It is cancelled in the background if the caller stops waiting. */
export const predictAtReplicate = async (
  account: ReplicateAccount,
  request: PredictionRequest,
  signal: AbortSignal,
): Promise<Prediction> => {
  signal.throwIfAborted()
  const creating = create(account, request, signal)
  const stop = () =>
    void creating.then((state) => (hasEnded(state) ? undefined : cancel(account, state))).catch(() => {})
  signal.addEventListener('abort', stop, { once: true })
  try {
    const state = await untilEnded(account, await creating, signal).catch((error) => {
      if (!signal.aborted) stop()
      throw error
    })
    if (state.status !== 'succeeded') throw failureOf(account, state)
    return {
      id: state.id,
      provider: 'replicate',
      model: request.model.split(':', 1)[0]!.trim(),
      version: state.version ?? null,
      output: state.output ?? null,
      predict_seconds: state.metrics?.predict_time ?? null,
      cost_usd: null,
      keeps: (url) => isFileOf(account, url) || (URL.canParse(url) && ownHost.test(new URL(url).hostname)),
      file: (url, elsewhere) =>
        withRetries(() => fetchFile(account, url, elsewhere, signal), account.limits, { signal }),
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Uploads a file that is too large for an input. Returns the URL that models fetch it from. */
export const uploadToReplicate = async (
  account: ReplicateAccount,
  file: { name: string; type: string; bytes: Uint8Array },
  signal: AbortSignal,
): Promise<string> => {
  const form = new Response(formOf(file))
  const headers = { 'content-type': form.headers.get('content-type') ?? '' }
  const bytes = new Uint8Array(await form.arrayBuffer())
  const body = await askReplicate(account, { method: 'POST', path: '/files', headers, body: bytes, signal }, signal)
  const parsed = z.looseObject({ urls: z.looseObject({ get: z.url() }) }).safeParse(body)
  if (parsed.success) return parsed.data.urls.get
  throw strange('something that does not name the URL of a file')
}

const formOf = ({ name, type, bytes }: { name: string; type: string; bytes: Uint8Array }): FormData => {
  const form = new FormData()
  form.append('content', new Blob([Uint8Array.from(bytes)], { type }), name)
  return form
}
