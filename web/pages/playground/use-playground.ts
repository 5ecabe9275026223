import { useEffect, useEffectEvent, useMemo, useReducer, useState } from 'react'
import { useAnswers } from './answers/use-answers.ts'
import { changedDraft, hasQuestion, nextTurn, type PlaygroundDraft } from './draft/draft.ts'
import { readDraft, storeDraft } from './draft/stored-draft.ts'
import { firstModel } from './models/model-list.ts'
import { useModels } from './models/use-models.ts'
import type { PlaygroundNotice } from './notice-bar.tsx'
import { chatMessages } from './request/chat-body.ts'
import { readFields } from './request/fields.ts'
import type { PlaygroundSearch } from './search.ts'
import { useOpenedStep } from './use-opened-step.ts'

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
