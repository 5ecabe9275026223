import { useQuery } from '@tanstack/react-query'
import { type Dispatch, useEffect, useEffectEvent, useMemo, useReducer, useRef, useState } from 'react'
import { eventsOf } from '../../../src/client/follow.ts'
import { AppError, messageOf } from '../../../src/lib/errors.ts'
import type { RoutableModelEntry } from '../../../src/model/gateway/routable-model.ts'
import type { LargeValue } from '../../../src/model/runs/step.ts'
import { api, apiCall } from '../../data/api.ts'
import { conversationOf } from '../../parts/conversation/conversation.ts'
import { fileAddress } from '../../parts/media/media-kind.ts'
import {
  beginAnswer,
  estimatedCost,
  type PlaygroundAnswer,
  type Refusal,
  withChunk,
  withCompletion,
} from './answers/answer.ts'
import { chatStep, readRecordedCall } from './answers/recorded-call.ts'
import {
  type AskedTurn,
  changedDraft,
  chatMessages,
  type DraftChange,
  draftFrom,
  emptyDraft,
  hasQuestion,
  nextTurn,
  type PlaygroundDraft,
} from './draft/draft.ts'
import { type Picture, pictureFault } from './draft/pictures.ts'
import { dataAddress } from './draft/read-pictures.ts'
import { firstModel } from './models/model-list.ts'
import type { PlaygroundNotice } from './notice-bar.tsx'
import { readFields } from './request/fields.ts'
import type { PlaygroundSearch } from './search.ts'

/** The names in `collection/task/run/step`. */
interface StepAddress {
  collection: string
  task: string
  trajectory_id: string
  step: string
}

/** Reads the address of a step; undefined where it is none. */
const stepAddress = (text: string | undefined): StepAddress | undefined => {
  const [collection, task, id, ...step] = (text ?? '').split('/')
  return collection && task && id && step.length > 0
    ? { collection, task, trajectory_id: id, step: step.join('/') }
    : undefined
}

const isLarge = (value: unknown): value is LargeValue =>
  typeof value === 'object' && value !== null && '$large' in value

/** The parameters of a step, with the large ones that it comes without. */
const wholeInputs = async (params: StepAddress, inputs: Record<string, unknown>, signal: AbortSignal) => {
  if (isLarge(inputs)) {
    return (await api.getStepValue({ params, query: { of: 'inputs' }, signal })) as Record<string, unknown>
  }
  const members = await Promise.all(
    Object.entries(inputs).map(async ([name, value]) => [
      name,
      isLarge(value) ? await api.getStepValue({ params, query: { of: 'inputs', member: name }, signal }) : value,
    ]),
  )
  return Object.fromEntries(members) as Record<string, unknown>
}

/** A stored image with its bytes: the model is sent those. One that cannot be read is left out. */
const loadedPicture = async (picture: Picture, collection: string, signal: AbortSignal): Promise<Picture[]> => {
  if (!picture.url.startsWith(`${collection}/`)) return [picture]
  const name = picture.url.slice(picture.url.lastIndexOf('/') + 1)
  const response = await fetch(fileAddress(picture.url, true), { signal })
  if (!response.ok) return []
  const blob = await response.blob()
  return pictureFault(blob) === undefined ? [{ name, url: await dataAddress(blob) }] : []
}

/** The same in what was said before. */
const withImages = async (
  draft: PlaygroundDraft,
  collection: string,
  signal: AbortSignal,
): Promise<PlaygroundDraft> => {
  const load = (picture: Picture) => loadedPicture(picture, collection, signal)
  const earlier = await Promise.all(
    draft.earlier.map(async (message) => ({
      ...message,
      parts: (
        await Promise.all(
          message.parts.map(async (part) =>
            part.kind === 'image'
              ? (await load({ name: '', url: part.source })).map(({ url }) => ({ kind: 'image' as const, source: url }))
              : [part],
          ),
        )
      ).flat(),
    })),
  )
  return { ...draft, earlier, pictures: (await Promise.all(draft.pictures.map(load))).flat() }
}

/** The name of the model as a client writes it. */
const modelIn = ({ model, model_provider: provider }: Record<string, unknown>): string | undefined => {
  if (typeof model !== 'string' || model === '') return undefined
  return typeof provider === 'string' && !model.startsWith(`${provider}/`) ? `${provider}/${model}` : model
}

/** Loads what a step asked a model, as a draft, with the model that it asked. */
const loadStep = async (
  params: StepAddress,
  signal: AbortSignal,
): Promise<{ draft: PlaygroundDraft; model: string | undefined }> => {
  const step = await api.getStep({ params, signal })
  const isRecorded = step.key === chatStep && params.task.startsWith('_')
  const [inputs, initParams] = await Promise.all([
    wholeInputs(params, step.inputs, signal),
    isRecorded ? (api.getInitParams({ params, signal }) as Promise<Record<string, unknown>>) : {},
  ])
  const outputs = isRecorded ? { response: {} } : {}
  const conversation = conversationOf({ ...step, inputs, outputs }, initParams)
  if (!conversation) {
    throw new AppError('bad_request', `Step '${params.step}' asked no model`, {
      hint: 'Open a step of litellm_chat, litellm_vision or gemini_prompt, or a call that the gateway recorded.',
    })
  }
  const draft = await withImages(draftFrom(conversation), params.collection, signal)
  const asked = step.span ? { ...inputs, model_provider: step.outputs.provider } : inputs
  return { draft, model: modelIn(isRecorded ? initParams : asked) }
}

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
const askModel = async ({ model, collection, body, signal, onAnswer }: AskModelOptions): Promise<void> => {
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

/** A question to one model. */
interface AskedColumn {
  turn: number
  column: number
  model: string
  collection: string
  body: Record<string, unknown>
  /** What is known of the model. */
  details: RoutableModelEntry | undefined
}

type RecordedAnswer = Pick<PlaygroundAnswer, 'recordId' | 'isUnrecorded' | 'collection'>

/** What the record of an answer says of its cost; undefined where there is none. */
const recordedFacts = async ({ recordId: id, isUnrecorded, collection }: RecordedAnswer, signal: AbortSignal) =>
  id === undefined || collection === undefined || isUnrecorded
    ? undefined
    : readRecordedCall(collection, id, signal).catch(() => undefined)

/** Asks models and stops them. Whoever leaves the page stops them, too. */
const useAnswers = (turns: readonly AskedTurn[], dispatch: Dispatch<DraftChange>) => {
  const running = useRef(new Set<AbortController>())
  const page = useRef<AbortController>(undefined)
  const stop = () => {
    for (const one of running.current) one.abort()
  }
  /** A page that was left before the records were read reads them now. */
  const complete = useEffectEvent((signal: AbortSignal) => {
    for (const { id: turn, answers } of turns) {
      for (const [column, answer] of answers.entries()) {
        if (answer.costUsd !== undefined || answer.state === 'failed') continue
        void recordedFacts(answer, signal).then((part) => part && dispatch({ kind: 'answer', turn, column, part }))
      }
    }
  })
  useEffect(() => {
    const here = new AbortController()
    const asked = running.current
    page.current = here
    complete(here.signal)
    return () => {
      here.abort()
      for (const one of asked) one.abort()
    }
  }, [])

  const ask = async ({ turn, column, details, ...asked }: AskedColumn): Promise<void> => {
    const control = new AbortController()
    running.current.add(control)
    const tell = (part: Partial<PlaygroundAnswer>) => dispatch({ kind: 'answer', turn, column, part })
    let last: PlaygroundAnswer | undefined
    await askModel({
      ...asked,
      signal: control.signal,
      onAnswer: (answer) => {
        last = answer
        tell(answer)
      },
    })
    running.current.delete(control)
    if (!last || !page.current) return
    const recorded = await recordedFacts(last, page.current.signal)
    if (recorded) tell(recorded)
    else if (last.state === 'done') {
      tell({ costUsd: estimatedCost(last.tokens, details?.usd_per_million), isEstimated: true })
    }
  }
  return { ask, stop }
}

const storedName = 'jetty.playground'

/** An answer that was under way when the page was left has stopped with it. */
const settled = (draft: PlaygroundDraft): PlaygroundDraft => ({
  ...draft,
  turns: draft.turns.map((turn) => ({
    ...turn,
    answers: turn.answers.map((answer) => (answer.state === 'streaming' ? { ...answer, state: 'stopped' } : answer)),
  })),
})

/** Reads the draft of this tab; a new one where there is none. */
const readDraft = (): PlaygroundDraft => {
  try {
    const stored = JSON.parse(sessionStorage.getItem(storedName) ?? '{}') as Partial<PlaygroundDraft>
    return settled({ ...emptyDraft, ...stored, fields: { ...emptyDraft.fields, ...stored.fields } })
  } catch {
    return emptyDraft
  }
}

const withoutPictures = (draft: PlaygroundDraft): PlaygroundDraft => ({
  ...draft,
  pictures: [],
  turns: draft.turns.map((turn) => ({ ...turn, pictures: [] })),
})

/** Keeps the draft in this tab. Browsers keep about 5 MB: pictures that do not fit are left out. */
const storeDraft = (draft: PlaygroundDraft): void => {
  for (const kept of [draft, withoutPictures(draft)]) {
    try {
      sessionStorage.setItem(storedName, JSON.stringify(kept))
      return
    } catch {
      // No room, or a browser that stores nothing: the page works without.
    }
  }
}

interface OpenedStep {
  draft: PlaygroundDraft
  model: string | undefined
  collection: string
}

/** Loads the step that the address names, and hands over what it asked, once. */
const useOpenedStep = (from: string | undefined, onOpened: (step: OpenedStep) => void) => {
  const address = stepAddress(from)
  const { data, error } = useQuery({
    queryKey: ['playground-step', from],
    queryFn: ({ signal }) => (address ? loadStep(address, signal) : undefined),
    enabled: address !== undefined,
    gcTime: 0,
  })
  const open = useEffectEvent((step: OpenedStep) => onOpened(step))
  const collection = address?.collection
  useEffect(() => {
    if (data && collection !== undefined) open({ ...data, collection })
  }, [data, collection])
  const isWrong = from !== undefined && address === undefined
  return { isLoading: address !== undefined && !data && !error, error: isWrong ? new Error(notAStep) : error }
}

const notAStep = 'The address names no step: write from=collection/task/run/step'

const freshMs = 5 * 60_000

/** Loads the models that the keys of a collection reach, with context and prices. */
const useModels = (collection: string | undefined) =>
  useQuery({
    queryKey: ['models', collection],
    queryFn: async ({ signal }) =>
      (await api.listRoutableModels({ query: { collection: collection ?? '', details: true }, signal })).data,
    enabled: collection !== undefined,
    staleTime: freshMs,
  })

const storeMs = 300

/** The draft of this tab, kept while the tab is open. */
const useDraft = () => {
  const [draft, dispatch] = useReducer(changedDraft, undefined, readDraft)
  const store = useEffectEvent(() => storeDraft(draft))
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change of the draft is stored once no other follows it
  useEffect(() => {
    const timer = setTimeout(() => store(), storeMs)
    return () => clearTimeout(timer)
  }, [draft])
  useEffect(() => {
    const onLeave = () => store()
    window.addEventListener('pagehide', onLeave)
    return () => {
      window.removeEventListener('pagehide', onLeave)
      store()
    }
  }, [])
  return [draft, dispatch] as const
}

/** What the playground knows and can do. */
export const usePlayground = (
  collection: string,
  search: PlaygroundSearch,
  onSearch: (next: PlaygroundSearch) => void,
) => {
  const [draft, dispatch] = useDraft()
  const [opened, setOpened] = useState(0)
  const [notice, setNotice] = useState<PlaygroundNotice>()
  const { data: details, error: listError } = useModels(collection)
  const { ask, stop } = useAnswers(draft.turns, dispatch)
  const first = useMemo(() => firstModel(details ?? []), [details])
  const models = search.model ?? (first === undefined ? [] : [first])
  const { faults } = readFields(draft.fields)

  const replace = (next: PlaygroundDraft, text?: string) => {
    const before = draft
    const put = (part: PlaygroundDraft) => {
      stop()
      dispatch({ kind: 'set', part })
      setOpened((were) => were + 1)
    }
    put(next)
    setNotice(text === undefined ? undefined : { text, undo: () => put(before) })
  }
  const step = useOpenedStep(search.from, ({ draft: next, model, collection: of }) => {
    const isLost = hasQuestion(draft) || draft.turns.length > 0
    replace(next, isLost ? 'What you had here was replaced by the step' : undefined)
    onSearch({ collection: of, ...(model === undefined ? {} : { model: [model] }) })
  })

  const bodyOf = (of: Pick<PlaygroundDraft, 'turns' | 'text' | 'pictures'>, model: string, column: number) => {
    const known = details?.find(({ id }) => id === model)
    const { members } = readFields(draft.fields, known?.max_tokens_parameter)
    return { model, messages: chatMessages({ ...draft, turns: of.turns }, of, column), ...members }
  }
  const askAll = (of: Pick<PlaygroundDraft, 'turns' | 'text' | 'pictures'>, turn: number) => {
    for (const [column, model] of models.entries()) {
      const body = { ...bodyOf(of, model, column), stream: true, stream_options: { include_usage: true } }
      void ask({ turn, column, model, collection, body, details: details?.find(({ id }) => id === model) })
    }
  }
  const send = () => {
    const turn = nextTurn(draft)
    setNotice(undefined)
    dispatch({ kind: 'ask', turn, models })
    askAll(draft, turn)
  }
  const again = (id: number) => {
    const turn = draft.turns.find((one) => one.id === id)
    if (!turn) return
    const as = nextTurn(draft)
    dispatch({ kind: 'again', turn: id, as, models })
    askAll({ ...turn, turns: draft.turns.filter((one) => one.id < id) }, as)
  }
  /** The call that would be made now; without a question, the last one that was made. */
  const bodyNow = () => {
    const last = draft.turns.at(-1)
    const isNew = hasQuestion(draft) || !last
    return bodyOf(isNew ? draft : { ...last, turns: draft.turns.slice(0, -1) }, models[0] ?? '', 0)
  }
  const obstacle = obstacleOf({ isLoading: step.isLoading, models, draft, faults: Object.keys(faults).length })
  return {
    ...{ draft, dispatch, replace, opened, models, details, faults, obstacle, send, again, stop, bodyNow },
    ...{ notice, setNotice },
    isLoading: step.isLoading,
    error: step.error ?? listError,
  }
}

/** Why nothing can be sent; empty where that is plain to see. */
const obstacleOf = ({
  isLoading,
  models,
  draft,
  faults,
}: {
  isLoading: boolean
  models: readonly string[]
  draft: PlaygroundDraft
  faults: number
}): string | undefined => {
  if (isLoading) return 'Loading the step…'
  if (models.length === 0) return 'Choose a model'
  if (faults > 0) return 'Correct the settings first'
  return hasQuestion(draft) ? undefined : ''
}
