import type { Activity } from '../../activities/activity.ts'
import { mostPlacementLabels } from '../../model/runs/placement.ts'
import { workerLabelsSchema } from '../../model/workers/worker.ts'
import type { Report } from './finding.ts'

/**
 * Reads the labels that a server process must have to carry out a step. Of an activity of workers, `runs_on` is a
 * parameter: the labels of a worker.
 */
export const compileRunsOn = (config: Record<string, unknown>, activity: Activity, report: Report): string[] => {
  const written = config.runs_on ?? undefined
  if (written === undefined || Object.hasOwn(activity.parameters.shape, 'runs_on')) return []
  const { data, error } = workerLabelsSchema.safeParse(written)
  if (data) return data
  const why = Array.isArray(written) ? error.issues[0]?.message : 'it is written out here, and no path'
  report(`runs_on must be a list of labels such as ["gpu"]: ${why}`, { key: 'runs_on' })
  return []
}

/** All labels that steps ask of a server process, since one process carries out the whole run. */
export const labelsOfSteps = (steps: readonly { name: string; runsOn: string[] }[], report: Report): string[] => {
  const labels = [...new Set(steps.flatMap(({ runsOn }) => runsOn))].sort()
  if (labels.length <= mostPlacementLabels) return labels
  report(
    `The steps ask for ${labels.length} labels with runs_on, and a server process has at most ${mostPlacementLabels}`,
    { key: 'steps' },
  )
  return []
}
