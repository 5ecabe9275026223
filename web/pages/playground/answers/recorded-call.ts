import { pause } from '../../../../src/lib/time.ts'
import { api } from '../../../data/api.ts'
import { usedTokens } from '../../../parts/conversation/conversation.ts'
import type { PlaygroundAnswer } from './answer.ts'

/** The task that the gateway records chats under, and the one step of each. */
export const chatTask = '_chat'
export const chatStep = 'completion'

/** A call that was stopped, or whose database was away, is recorded a moment later. */
const waitsMs = [0, 300, 1_000, 3_000]

/** Reads what the record of a call says of its tokens and its cost; undefined where there is none yet. */
export const readRecordedCall = async (
  collection: string,
  id: string,
  signal: AbortSignal,
): Promise<Partial<PlaygroundAnswer> | undefined> => {
  for (const waitMs of waitsMs) {
    await pause(waitMs, signal)
    const params = { collection, task: chatTask, trajectory_id: id, step: chatStep }
    const step = await api.getStep({ params, signal }).catch(() => undefined)
    if (!step || step.ended === null) continue
    const { usage, cost_usd: cost } = step.outputs
    const tokens = usedTokens(usage)
    return {
      ...(tokens ? { tokens } : {}),
      ...(typeof cost === 'number' || cost === null ? { costUsd: cost } : {}),
    }
  }
  return undefined
}
