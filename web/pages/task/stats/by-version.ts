import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'

type CountedRun = Pick<
  CollectionRun,
  'version_number' | 'status' | 'started' | 'ended' | 'cost_usd' | 'tokens' | 'duration_seconds'
>

/** What the runs of one version came to. */
interface VersionFigures {
  /** Null: the version is gone. */
  version: number | null
  runs: number
  completed: number
  failed: number
  /** Of completed runs, in seconds; null without any. */
  p50: number | null
  p95: number | null
  /** US dollars of runs with a known cost; null when none is known. */
  cost: number | null
  tokens: number
}

/** The value that a part of a sorted list does not exceed; null for an empty list. */
export const percentile = (sorted: readonly number[], part: number): number | null =>
  sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? null

const figuresOf = (version: number | null, runs: readonly CountedRun[]): VersionFigures => {
  const count = (status: string) => runs.filter((run) => run.status === status).length
  const durations = runs
    .filter(({ status }) => status === 'completed')
    .flatMap(({ duration_seconds: seconds }) => (seconds === null ? [] : [seconds]))
    .sort((one, other) => one - other)
  const costs = runs.flatMap(({ cost_usd: usd }) => (usd === null ? [] : [usd]))
  return {
    version,
    runs: runs.length,
    completed: count('completed'),
    failed: count('failed'),
    p50: percentile(durations, 0.5),
    p95: percentile(durations, 0.95),
    cost: costs.length === 0 ? null : costs.reduce((sum, usd) => sum + usd, 0),
    tokens: runs.reduce((sum, run) => sum + (run.tokens ?? 0), 0),
  }
}

/** Groups runs by the version that they executed, the newest version first. */
export const byVersion = (runs: readonly CountedRun[]): VersionFigures[] => {
  const groups = new Map<number | null, CountedRun[]>()
  for (const run of runs) {
    const group = groups.get(run.version_number)
    if (group) group.push(run)
    else groups.set(run.version_number, [run])
  }
  return [...groups]
    .sort(([one], [other]) => (other ?? -1) - (one ?? -1))
    .map(([version, group]) => figuresOf(version, group))
}
