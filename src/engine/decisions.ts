import type { Queries } from '../database/database.ts'

/** Steps of this process that wait in memory for a decision: one question for all of them. */
export interface Decisions {
  /** Calls back, once, when the step was decided; gives the function that ends it. */
  watch(runKey: string, seq: number, tell: () => void): () => void
  /** Looks which of them were decided. */
  look(): Promise<void>
}

interface Watched {
  runKey: string
  seq: number
  tell: () => void
}

export const makeDecisions = (database: Queries): Decisions => {
  const watched = new Map<string, Watched>()
  return {
    watch(runKey, seq, tell) {
      const key = `${runKey} ${seq}`
      watched.set(key, { runKey, seq, tell })
      return () => watched.delete(key)
    },
    async look() {
      if (watched.size === 0) return
      const asked = [...watched.values()]
      const decided = await database.rows<{ run_id: string; seq: number }>(
        'decided_steps',
        `select a.run_id, a.seq from unnest($1::text[], $2::int[]) w(run_id, seq)
         join approvals a on a.run_id = w.run_id and a.seq = w.seq where a.decision is not null`,
        [asked.map((one) => one.runKey), asked.map((one) => one.seq)],
      )
      for (const { run_id, seq } of decided) {
        const key = `${run_id} ${seq}`
        watched.get(key)?.tell()
        watched.delete(key)
      }
    },
  }
}
