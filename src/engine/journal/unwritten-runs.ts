import type { NewRun } from '../../model/runs/new-run.ts'
import type { Journal } from './journal.ts'
import type { Entry, StepRow } from './journal-entry.ts'

interface UnwrittenRun {
  run: NewRun
  parentKey: string
  /** A step has taken so long that its start would have been recorded. */
  onSlow(): void
}

/** All records of a run that has ended. */
export interface EndedRecords extends Entry {
  born: NonNullable<Entry['born']>
  end: NonNullable<Entry['end']>
}

/**
 * Runs that are carried out before they are written. Their records are taken as if they were written, so that nothing of a
 * run stays in memory but what is to be written.
 */
export interface UnwrittenRuns {
  /** Takes the records of these runs, and passes on those of all others. */
  journal: Pick<Journal, 'add' | 'withdraw'>
  begin(run: UnwrittenRun): void
  /** Forgets a run. Returns its records if it has ended. */
  end(runKey: string): EndedRecords | undefined
}

export const makeUnwrittenRuns = (journal: Pick<Journal, 'add' | 'withdraw'>): UnwrittenRuns => {
  const runs = new Map<string, UnwrittenRun & { before: StepRow[]; whole?: EndedRecords }>()
  return {
    journal: {
      add(entry) {
        const { step, end } = entry
        const held = runs.get(step?.runKey ?? end?.runKey ?? '')
        if (!held) return journal.add(entry)
        const { run, parentKey, before } = held
        if (end) {
          const startedMs = (before[0] ?? step)?.startedMs ?? end.endedMs
          held.whole = { ...entry, end, born: { run, parentKey, startedMs, before } }
        } else if (step?.endedMs != null) before.push(step)
        else held.onSlow()
        return Promise.resolve()
      },
      withdraw: (entry) => journal.withdraw(entry),
    },
    begin(run) {
      runs.set(run.run.key, { ...run, before: [] })
    },
    end(runKey) {
      const whole = runs.get(runKey)?.whole
      runs.delete(runKey)
      return whole
    },
  }
}
