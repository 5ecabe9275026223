import type { Queries } from '../../store/database/database.ts'
import { int, query, text } from '../../store/database/table.ts'

/** A step that waits in memory for a decision or an event, since other steps of its run execute. */
interface WatchedDecision {
  runKey: string
  seq: number
  /** True if no other step of the run executes or waits here, so that the run can leave memory. */
  mayPark(): boolean
  /** Called once, when it has its answer or may park. */
  tell(): void
}

/** The steps of this process that wait for decisions and events. One query asks for all. */
export interface Decisions {
  /** Returns the function that stops the watch. */
  watch(step: WatchedDecision): () => void
  /** Looks which of them need not wait in memory any more. */
  look(): Promise<void>
}

const decidedSteps = query(
  'decided_steps',
  { run_id: text, seq: int },
  `select a.run_id, a.seq from unnest($1::text[], $2::int[]) w(run_id, seq)
         join approvals a on a.run_id = w.run_id and a.seq = w.seq where a.decision is not null
         union all
         select a.run_id, a.seq from unnest($1::text[], $2::int[]) w(run_id, seq)
         join event_waits a on a.run_id = w.run_id and a.seq = w.seq where a.outcome is not null`,
  (runKeys: string[], seqs: number[]) => [runKeys, seqs],
)

export const makeDecisions = (database: Queries): Decisions => {
  const watched = new Map<string, WatchedDecision>()
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
      const decided = await decidedSteps(
        database,
        asked.map((one) => one.runKey),
        asked.map((one) => one.seq),
      )
      for (const { run_id, seq } of decided) told(keyOf(run_id, seq))
    },
  }
}
