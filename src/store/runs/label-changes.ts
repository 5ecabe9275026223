import { backoffMs } from '../../lib/backoff.ts'
import { batched } from '../../lib/batch.ts'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import type { Database, Queries } from '../database/database.ts'
import { labelTextsOf, type NewLabel, RunMoved, removeLabels, writeLabels } from './labels.ts'

/** A label as stored, with all labels of its run as JSON text. */
export interface SetLabel {
  createdAt: Date
  labels: string
}

/** Sets and removes labels; concurrent changes are batched into one transaction. */
export interface LabelChanges {
  /** Sets a label; undefined when the run already has the maximum number. */
  set(label: NewLabel): Promise<SetLabel | undefined>
  /** Removes a label and returns the remaining ones as JSON text; undefined when there was nothing to remove. */
  remove(label: { runId: string; key: string; author: string | undefined }): Promise<string | undefined>
}

const mostTogether = 200
const attempts = 50
const movedBackoff = { firstMs: 2, longestMs: 50 }

const deadlocked = (error: unknown): boolean => (error as { code?: string }).code === '40P01'

/** Runs a transaction and retries it after a deadlock, or when a run moved to another lease meanwhile. */
export const insist = async <T>(database: Database, work: (queries: Queries) => Promise<T>): Promise<T> => {
  for (let attempt = 1; attempt < attempts; attempt++) {
    try {
      return await database.transaction(work)
    } catch (error) {
      if (!(error instanceof RunMoved) && !deadlocked(error)) throw error
      await pause(backoffMs(attempt, movedBackoff))
    }
  }
  throw new AppError('busy', 'The run is moving to another process', {
    hint: 'Try again in a moment.',
    retryAfterSeconds: 1,
  })
}

/**
 * Sets one label in the caller's transaction, which must be one of `insist`; undefined when the run has the maximum
 * already.
 */
export const setLabel = async (queries: Queries, label: NewLabel, most: number): Promise<SetLabel | undefined> => {
  const [createdAt] = await writeLabels(queries, [label], most)
  const [labels = '[]'] = await labelTextsOf(queries, [label.runId])
  return createdAt && { createdAt, labels }
}

export const makeLabelChanges = (database: Database, options: { most: number }): LabelChanges => {
  const write = batched(async (labels: NewLabel[]): Promise<(SetLabel | undefined)[]> => {
    const created: (Date | undefined)[] = []
    for (const round of rounds(labels)) {
      const some = round.map((at) => labels[at] as NewLabel)
      const dates = await insist(database, (queries) => writeLabels(queries, some, options.most))
      round.forEach((at, index) => {
        created[at] = dates[index]
      })
    }
    const runIds = labels.map((label) => label.runId)
    const texts = await labelTextsOf(database, runIds)
    return labels.map((_, at) => {
      const createdAt = created[at]
      return createdAt && { createdAt, labels: texts[at] ?? '[]' }
    })
  }, mostTogether)

  return {
    set: write,
    async remove(label) {
      const removed = await insist(database, (queries) => removeLabels(queries, label))
      return removed === 0 ? undefined : (await labelTextsOf(database, [label.runId]))[0]
    },
  }
}

/** Groups labels into rounds without repeated keys, so that every value is stored once, in order. */
const rounds = (labels: NewLabel[]): number[][] => {
  const made: number[][] = []
  const seen = new Map<string, number>()
  labels.forEach(({ runId, key, author }, at) => {
    const name = JSON.stringify([runId, key, author])
    const round = seen.get(name) ?? 0
    seen.set(name, round + 1)
    made[round] = [...(made[round] ?? []), at]
  })
  return made
}
