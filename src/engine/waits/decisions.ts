import type { Queries } from '../../database/database.ts'

/** A step that waits in memory for a decision, since others of its run are at work. */
export interface Watched {
  runKey: string
  seq: number
  /** Whether it waits alone by now, and its run can leave memory. */
  mayPark(): boolean
  /** Called once: it was decided, or may park. */
  tell(): void
}

/** All of them of this process: one question for all. */
export interface Decisions {
  /** Gives the function that ends it. */
  watch(step: Watched): () => void
  /** Looks which of them need not wait here any more. */
  look(): Promise<void>
}

export const makeDecisions = (database: Queries): Decisions => {
  const watched = new Map<string, Watched>()
  const keyOf = (runKey: string, seq: number): string => `${runKey} ${seq}`
  const told = (key: string) => {
    watched.get(key)?.tell()
    watched.delete(key)
  }
  return {
    watch(step) {
      const key = keyOf(step.runKey, step.seq)
      watched.set(key, step)
      return () => {
        if (watched.get(key) === step) watched.delete(key)
      }
    },
    async look() {
      for (const [key, step] of watched) if (step.mayPark()) told(key)
      if (watched.size === 0) return
      const asked = [...watched.values()]
      const decided = await database.rows<{ run_id: string; seq: number }>(
        'decided_steps',
        `select a.run_id, a.seq from unnest($1::text[], $2::int[]) w(run_id, seq)
         join approvals a on a.run_id = w.run_id and a.seq = w.seq where a.decision is not null`,
        [asked.map((one) => one.runKey), asked.map((one) => one.seq)],
      )
      for (const { run_id, seq } of decided) told(keyOf(run_id, seq))
    },
  }
}
