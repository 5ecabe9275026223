import type { RunRow } from '../../store/runs/runs.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'

/** First divergence of a replay from its recording, from its steps; null for none. */
const firstDivergence = (steps: StepRecord[]): unknown => {
  for (const { error, warnings } of steps) {
    const event = warnings?.includes('"divergence"') && eventIn(warnings)
    if (event) return event
    const divergence =
      error?.includes('"replay_diverged"') && (JSON.parse(error) as { divergence?: unknown }).divergence
    if (divergence) return divergence
  }
  return null
}

const eventIn = (warnings: string): unknown =>
  (JSON.parse(warnings) as { type: string; attributes: unknown }[]).find(({ type }) => type === 'divergence')
    ?.attributes

/** Adds `params.replay.divergence` to a replay; returns any other run unchanged. */
export const withDivergence = (run: RunRow, steps: StepRecord[]): RunRow => {
  if (!run.params?.includes('"replay"')) return run
  const params = JSON.parse(run.params) as { replay?: Record<string, unknown> }
  if (!params.replay) return run
  return {
    ...run,
    params: JSON.stringify({ ...params, replay: { ...params.replay, divergence: firstDivergence(steps) } }),
  }
}
