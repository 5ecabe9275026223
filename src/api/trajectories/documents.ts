import type { Queries } from '../../database/database.ts'
import { type RunRow, type StepRecord, stepsOf } from '../../store/runs.ts'
import type { ShownDefinition } from './definitions.ts'
import { trajectoryText } from './document.ts'

export interface DocumentDeps {
  database: Queries
  definitions: (hash: string) => Promise<ShownDefinition>
  /** Where the web UI is: known once the server listens. */
  links: { readonly publicUrl: string }
}

/** Runs whose steps are read with one query. */
const runsAtOnce = 20

export const documentOf = async (deps: DocumentDeps, run: RunRow): Promise<string> => {
  const [steps, definition] = await Promise.all([stepsOf(deps.database, [run.id]), deps.definitions(run.definition)])
  return trajectoryText(run, steps, definition, deps.links.publicUrl)
}

/** The documents of a page of runs, in order; a few are in memory at a time. */
export async function* documentsOf(deps: DocumentDeps, runs: RunRow[]): AsyncGenerator<string> {
  for (let at = 0; at < runs.length; at += runsAtOnce) {
    const some = runs.slice(at, at + runsAtOnce)
    const steps = groupByRun(
      await stepsOf(
        deps.database,
        some.map((run) => run.id),
      ),
    )
    for (const run of some) {
      yield trajectoryText(run, steps.get(run.id) ?? [], await deps.definitions(run.definition), deps.links.publicUrl)
      steps.delete(run.id)
    }
  }
}

const groupByRun = (steps: StepRecord[]): Map<string, StepRecord[]> => {
  const groups = new Map<string, StepRecord[]>()
  for (const step of steps) {
    const group = groups.get(step.run_id)
    if (group) group.push(step)
    else groups.set(step.run_id, [step])
  }
  return groups
}
