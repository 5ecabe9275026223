import type { Database, Queries } from '../../database/database.ts'
import { batched } from '../../lib/batch.ts'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import { labelTextsOf, type NewLabel, RunMoved, removeLabels, writeLabels } from './labels.ts'

/** A label as it was set, and all of the run as JSON text. */
export interface SetLabel {
  createdAt: Date
  labels: string
}

/** Sets and removes labels, one at a time for whoever asks; what arrives together is written together. */
export interface LabelChanges {
  /** Undefined: the run has too many labels already. */
  set(label: NewLabel): Promise<SetLabel | undefined>
  /** Gives what is left, as JSON text; undefined: there was nothing to remove. */
  remove(label: { runId: string; key: string; author: string | undefined }): Promise<string | undefined>
}

const mostTogether = 200
const attempts = 50
const longestPauseMs = 50

const deadlocked = (error: unknown): boolean => (error as { code?: string }).code === '40P01'

/** One transaction; again when a run was changing hands, or when somebody waited for us while we waited for him. */
export const insist = async <T>(database: Database, work: (queries: Queries) => Promise<T>): Promise<T> => {
  for (let attempt = 1; attempt < attempts; attempt++) {
    try {
      return await database.transaction(work)
    } catch (error) {
      if (!(error instanceof RunMoved) && !deadlocked(error)) throw error
      await pause(Math.min(attempt * 2, longestPauseMs))
    }
  }
  throw new AppError('busy', 'The run is changing hands', { hint: 'Try again in a moment.', retryAfterSeconds: 1 })
}

/** Sets one label in a transaction of the caller's, which is to be `insist`; undefined: the run has too many already. */
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

/** Places of the labels, so that none of a round takes the place of another: each one's value was there once. */
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
