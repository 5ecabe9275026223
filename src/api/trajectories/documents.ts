import type { Queries } from '../../database/database.ts'
import type { Lending } from '../../store/collections/lending.ts'
import { type RunSummaryRow, stepSummariesOf } from '../../store/runs/run-lists.ts'
import { type RunRow, type StepRecord, stepsOf } from '../../store/runs/runs.ts'
import { withEvents } from './agent-events.ts'
import type { ShownDefinition } from './definitions.ts'
import { summaryText, trajectoryText } from './document.ts'
import { progressOfSteps } from './fan-out-progress.ts'

export interface DocumentDeps {
  database: Queries
  definitions: (hash: string) => Promise<ShownDefinition>
  /** Where the web UI is: known once the server listens. */
  links: { readonly publicUrl: string }
  lending: Pick<Lending, 'leftAfter'>
}

/** Runs whose steps are read with one query. */
const runsAtOnce = 20

export const documentOf = async (deps: DocumentDeps, run: RunRow): Promise<string> => {
  const [steps, definition] = await Promise.all([stepsOf(deps.database, [run.id]), deps.definitions(run.definition)])
  return wholeText(deps, run, steps, definition)
}

/** With what is left of its trial, where it is in one. */
const withTrial = async <Run extends RunSummaryRow>({ lending }: DocumentDeps, run: Run): Promise<Run> => {
  const trial = run.on_trial ? await lending.leftAfter(run.id) : undefined
  return trial ? { ...run, trial } : run
}

/** The document of a run with what its agents did last, as far as the change `until`. */
export const wholeText = async (
  deps: DocumentDeps,
  run: RunRow,
  steps: StepRecord[],
  definition: ShownDefinition,
  until = Number.MAX_SAFE_INTEGER,
): Promise<string> => {
  const shown = definition.hasRunbooks ? await withEvents(deps.database, steps, definition, until) : steps
  const progress = run.ended_at ? undefined : await progressOfSteps(deps.database, shown, definition)
  return trajectoryText(await withTrial(deps, run), shown, definition, deps.links.publicUrl, progress)
}

/** The documents of a page of runs, in order. */
export const documentsOf = (deps: DocumentDeps, runs: RunRow[]): AsyncGenerator<string> =>
  eachOf(deps, runs, stepsOf, trajectoryText)

/** The same for runs of a list that people look at. */
export const summariesOf = (deps: DocumentDeps, runs: RunSummaryRow[]): AsyncGenerator<string> =>
  eachOf(deps, runs, stepSummariesOf, summaryText)

/** A few are in memory at a time. */
async function* eachOf<Run extends RunSummaryRow, Step extends { run_id: string }>(
  deps: DocumentDeps,
  runs: Run[],
  read: (queries: Queries, runKeys: string[]) => Promise<Step[]>,
  textOf: (run: Run, steps: Step[], definition: ShownDefinition, publicUrl: string) => string,
): AsyncGenerator<string> {
  for (let at = 0; at < runs.length; at += runsAtOnce) {
    const some = runs.slice(at, at + runsAtOnce)
    const keys = some.map((run) => run.id)
    const steps = groupByRun(await read(deps.database, keys))
    for (const run of some) {
      const told = await withTrial(deps, run)
      yield textOf(told, steps.get(run.id) ?? [], await deps.definitions(run.definition), deps.links.publicUrl)
      steps.delete(run.id)
    }
  }
}

const groupByRun = <Step extends { run_id: string }>(steps: Step[]): Map<string, Step[]> => {
  const groups = new Map<string, Step[]>()
  for (const step of steps) {
    const group = groups.get(step.run_id)
    if (group) group.push(step)
    else groups.set(step.run_id, [step])
  }
  return groups
}
