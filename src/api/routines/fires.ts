import { firesAfter, readCadence } from '../../background/routines/cadence.ts'
import { fireKey } from '../../background/routines/fire.ts'
import { timestamp } from '../../lib/time.ts'
import type { RoutineFires } from '../../model/routine-fires.ts'
import type { Database } from '../../store/database/database.ts'
import { firedRuns, firesOf } from '../../store/routine-fires.ts'
import type { RoutineRow } from '../../store/routines.ts'

/** Times at which a routine will start runs, from the first one that is not settled. */
const nextFires = ({ paused, cadence, next_run_at: next }: RoutineRow, count: number): RoutineFires['next'] => {
  if (paused || next === null) return []
  return firesAfter(readCadence(cadence), next.getTime() - 1, count).map((ms) => ({ time: timestamp(new Date(ms)) }))
}

/** Reads the next fires of a routine, and what became of the past ones. */
export const routineFires = async (
  database: Database,
  routine: RoutineRow,
  { next, past }: { next: number; past: number },
): Promise<RoutineFires> => {
  const settled = past === 0 ? [] : await firesOf(database, routine.id, past)
  const waiting = routine.waiting.map((at) => ({ at, outcome: 'waiting' as const, reason: null }))
  const fires = [...waiting, ...settled].sort((one, other) => other.at.getTime() - one.at.getTime()).slice(0, past)
  const keyOf = (at: Date) => fireKey(routine.id, at.getTime())
  const started = fires.filter(({ outcome }) => outcome === 'started').map(({ at }) => keyOf(at))
  const found = started.length === 0 ? [] : await firedRuns(database, started)
  const runs = new Map(found.map((run) => [run.id, run]))
  return {
    paused: routine.paused,
    next: nextFires(routine, next),
    past: fires.map(({ at, outcome, reason }) => {
      const run = runs.get(keyOf(at))
      return {
        time: timestamp(at),
        outcome,
        reason,
        trajectory_id: run?.trajectory_id ?? null,
        status: run?.status ?? null,
      }
    }),
  }
}
