import { type Dispatch, useEffect, useEffectEvent, useRef } from 'react'
import type { RoutableModelEntry } from '../../../../src/model/gateway/routable-model.ts'
import type { AskedTurn, DraftChange } from '../draft/draft.ts'
import { estimatedCost, type PlaygroundAnswer } from './answer.ts'
import { askModel } from './ask-model.ts'
import { readRecordedCall } from './recorded-call.ts'

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
export const useAnswers = (turns: readonly AskedTurn[], dispatch: Dispatch<DraftChange>) => {
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
