import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'
import type { Moment, Report } from './checker.ts'
import { keyOf } from './checker.ts'
import type { Random } from './random.ts'
import type { Site } from './site.ts'

/** Asks until the answer is yes; throws with the name of what was waited for when it takes too long. */
export const until = async (
  what: string,
  satisfied: () => Promise<boolean> | boolean,
  milliseconds = 90_000,
  everyMs = 20,
): Promise<number> => {
  const begun = Date.now()
  while (!(await satisfied())) {
    if (Date.now() - begun > milliseconds) throw new Error(`${what}: not within ${milliseconds} ms`)
    await pause(everyMs)
  }
  return Date.now() - begun
}

export const openRuns = async (site: Site): Promise<number> => {
  const [row] = await site.rows<{ open: number }>('select count(*)::int open from runs where ended_at is null')
  return row?.open ?? 0
}

/** Nobody acts on the end of all runs: who looks less often leaves the CPU to those runs. */
const lookMs = 100

/** C2: waits for the end of every run. */
export const untilAllEnded = (site: Site, milliseconds = 120_000): Promise<number> =>
  until('the end of all runs', async () => (await openRuns(site)) === 0, milliseconds, lookMs)

/** Numbers for runs to start from. */
export const starts = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => random.between(1, 999_999))

/** C4 once more, with the database's word for when a step was committed: no effect after that. */
export const lateEffects = (site: Site, moments: Moment[]): string[] => {
  const text = readFileSync(join(site.folder, 'effects'), 'utf8')
  return moments.flatMap(({ committed, bytes }) =>
    text
      .slice(bytes) // one byte a character
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(','))
      .map(([run = '', seq]) => keyOf({ run, seq: Number(seq) }))
      .filter((key) => committed.has(key))
      .map((key) => `C4: ${key} was executed after it was seen committed`),
  )
}

export const tell = (name: string, report: Report, more: Record<string, unknown> = {}): void => {
  const { violations, ...counts } = report
  console.log(`${name}:`, JSON.stringify({ ...counts, violations: violations.length, ...more }))
}
