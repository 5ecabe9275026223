import { type Dispatch, useEffect, useRef } from 'react'
import type { RoutableModelEntry } from '../../../../src/model/gateway/routable-model.ts'
import type { DraftChange } from '../draft/draft.ts'
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

/** Asks models and stops them. Whoever leaves the page stops them, too. */
export const useAnswers = (dispatch: Dispatch<DraftChange>) => {
  const running = useRef(new Set<AbortController>())
  const page = useRef<AbortController>(undefined)
  const stop = () => {
    for (const one of running.current) one.abort()
  }
  useEffect(() => {
    page.current = new AbortController()
    return () => {
      page.current?.abort()
      for (const one of running.current) one.abort()
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
    const { recordId, isUnrecorded, state, tokens } = last
    const recorded =
      recordId !== undefined && !isUnrecorded
        ? await readRecordedCall(asked.collection, recordId, page.current.signal).catch(() => undefined)
        : undefined
    if (recorded) tell(recorded)
    else if (state === 'done') tell({ costUsd: estimatedCost(tokens, details?.usd_per_million), isEstimated: true })
  }
  return { ask, stop }
}
