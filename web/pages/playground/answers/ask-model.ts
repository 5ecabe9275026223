import { eventsOf } from '../../../../src/client/event-stream.ts'
import { AppError, messageOf } from '../../../../src/lib/errors.ts'
import { apiCall } from '../../../data/api.ts'
import { beginAnswer, type PlaygroundAnswer, type Refusal, withChunk, withCompletion } from './answer.ts'

interface AskModelOptions {
  model: string
  collection: string
  /** The request as it is sent. */
  body: Record<string, unknown>
  signal: AbortSignal
  /** Told what has arrived, at most twenty times a second, and at last the whole answer. */
  onAnswer: (answer: PlaygroundAnswer) => void
}

const tellMs = 50

const brokenOff = (message: string): AppError =>
  new AppError('upstream_failed', message, { hint: 'What had arrived is kept. Ask again to have the whole answer.' })

const refusalOf = (error: unknown): Refusal => {
  if (!(error instanceof AppError)) return { code: 'network_failed', message: messageOf(error) }
  const status = error.extra?.provider_status
  return {
    code: error.code,
    message: error.message,
    hint: error.hint,
    providerStatus: typeof status === 'number' ? status : undefined,
  }
}

const recordIn = ({ headers }: Response): Partial<PlaygroundAnswer> => ({
  recordId: headers.get('x-jetty-trajectory-id') ?? undefined,
  isUnrecorded: headers.get('x-jetty-record') === 'off',
  warnings: headers.get('x-jetty-warnings') ?? undefined,
})

/** Yields the events of an answer. Throws for an error among them, and for a stream that ends before its end. */
async function* chunksOf(response: Response): AsyncGenerator<unknown> {
  for await (const { data } of eventsOf(response)) {
    if (data === '[DONE]') return
    const chunk = JSON.parse(data) as { error?: { message?: unknown } }
    if (chunk.error) throw brokenOff(String(chunk.error.message ?? 'The model failed'))
    yield chunk
  }
  throw brokenOff('The answer broke off')
}

/** Asks a model, and tells what it answers while it comes. Never throws: a refusal is an answer, too. */
export const askModel = async ({ model, collection, body, signal, onAnswer }: AskModelOptions): Promise<void> => {
  const begun = performance.now()
  const elapsedMs = () => performance.now() - begun
  let answer: PlaygroundAnswer = { ...beginAnswer(model), collection }
  let timer: ReturnType<typeof setTimeout> | undefined
  const tellSoon = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      onAnswer(answer)
    }, tellMs)
  }
  const end = (last: Partial<PlaygroundAnswer>) => {
    clearTimeout(timer)
    onAnswer({ ...answer, totalMs: elapsedMs(), ...last })
  }
  try {
    const headers = { 'x-jetty-collection': collection }
    const input = { body, headers, signal, asResponse: true }
    const response = (await apiCall('createChatCompletion', input)) as Response
    answer = { ...answer, ...recordIn(response) }
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      answer = withCompletion(answer, await response.json(), elapsedMs())
      return end({ state: 'done' })
    }
    for await (const chunk of chunksOf(response)) {
      answer = withChunk(answer, chunk, elapsedMs())
      tellSoon()
    }
    end({ state: 'done' })
  } catch (error) {
    if (signal.aborted) return end({ state: 'stopped' })
    const id = error instanceof AppError ? error.extra?.trajectory_id : undefined
    end({ state: 'failed', refusal: refusalOf(error), ...(typeof id === 'string' ? { recordId: id } : {}) })
  }
}
