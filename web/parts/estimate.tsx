import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { Estimate } from '../../src/model/runs/estimate.ts'
import type { ExpectedValue } from '../../src/model/runs/expected-cost.ts'
import { api } from '../data/api.ts'
import { useSettled } from '../data/settled.ts'
import { countText, usdText } from '../text/numbers.ts'
import { durationText } from '../text/times.ts'
import { enteredVersion } from './versions/version-field.tsx'

/** What is about to be started: `count` runs, or those of a dataset. */
type Wanted = NonNullable<Parameters<typeof api.estimateTask>[0]['body']>

const staleMs = 60_000

/** What runs would cost, from recorded ones; undefined until it is known, and where nothing is about to be started. */
export const useEstimate = (
  params: { collection: string; task: string },
  wanted: Wanted | undefined,
): Estimate | undefined => {
  const settled = useSettled(JSON.stringify(wanted ?? null))
  return useQuery({
    queryKey: ['estimate', params.collection, params.task, settled],
    queryFn: ({ signal }) => api.estimateTask({ params, body: JSON.parse(settled) as Wanted, signal }),
    enabled: settled !== 'null',
    placeholderData: keepPreviousData,
    staleTime: staleMs,
    retry: false,
  }).data
}

/** What each run of a version would cost, once a run has been recorded; nothing before. */
export const RunEstimate = ({ place, version }: { place: { collection: string; task: string }; version: string }) => {
  const estimate = useEstimate(place, enteredVersion(version))
  return estimate?.cost_usd ? <EstimateLine of={estimate} /> : null
}

/** For the text of a button: `, about $0.31`; empty where nothing is known, and where no model is called. */
export const aboutText = (estimate: Estimate | undefined): string =>
  estimate?.cost_usd?.expected ? `, about ${usdText(estimate.cost_usd.expected)}` : ''

const rangeText = (
  { low, high }: { low: number | null; high: number | null },
  show: (value: number) => string | undefined,
): string => (low === null || high === null || show(low) === show(high) ? '' : ` (${show(low)} to ${show(high)})`)

/** For the facts of what has been started: `expected $0.31 at its start`; false where nothing was known. */
export const atStartText = (atStart: ExpectedValue | null): string | false =>
  atStart !== null && `expected ${usdText(atStart.expected)} at its start`

/** One line: cost and time with their intervals, from what they are known, or why they are not. */
export const EstimateLine = ({ of }: { of: Estimate | undefined }) => {
  if (!of) return null
  const { count, reused, cost_usd: cost, duration_seconds: seconds, unknown_calls: unknown, parts, earlier } = of
  const reason = parts.find((part) => part.reason !== null)?.reason
  const recorded = parts[0]?.basis?.runs ?? 0
  const facts = [
    reused > 0 && `${countText(reused)} results are taken over`,
    cost && `about ${usdText(cost.expected)}${rangeText(cost, usdText)}`,
    seconds && `${durationText(seconds.expected)}${rangeText(seconds, durationText)}`,
    unknown > 0 && `${countText(unknown)} calls have no known price`,
    cost && `from ${countText(recorded)} recorded ${recorded === 1 ? 'run' : 'runs'}`,
    cost && earlier && `earlier estimates were within ${Math.ceil(earlier.largest_error * 100)} %`,
  ]
  return (
    <p className="text-12 text-muted">
      {count === 1 ? '1 run' : `${countText(count)} runs`}: {cost ? facts.filter(Boolean).join(' · ') : reason}
    </p>
  )
}
