import type { CallMemory } from '../../http/input/memory.ts'
import { doInSlices } from '../../lib/slices.ts'
import type { Lending } from '../../store/collections/lending.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  type TakeMemory,
  uncounted,
  type WholeRun,
  withInitParams,
  withLargeValues,
} from '../../store/runs/payloads.ts'
import { type RunSummaryRow, stepSummariesOf } from '../../store/runs/run-lists.ts'
import { type RunRow, withVersionNumbers } from '../../store/runs/runs.ts'
import { stepsOf, storedStepsOf } from '../../store/runs/step-records.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { withEvents } from './agent-events.ts'
import type { ShownDefinition } from './definitions.ts'
import { summaryPieces, trajectoryPieces } from './document.ts'
import { liveSteps } from './live-steps.ts'

export interface DocumentDeps {
  database: Queries
  definitions: (hash: string) => Promise<ShownDefinition>
  /** URL of the web UI, known once the server listens. */
  links: { readonly publicUrl: string }
  lending: Pick<Lending, 'leftAfter'>
}

/** Runs whose steps are read in one query. */
const runsAtOnce = 20

/** Copies of large values in memory: as read, in the document, and in the connection's buffer. */
export const copiesOfDocument = 3

/** Memory budget of an answer; without one nothing is counted. */
export type AnswerMemory = Pick<CallMemory, 'take' | 'giveBack'>

export const notCounted: AnswerMemory = { take: uncounted, giveBack: () => {} }

/** Memory of one of many documents, returned once the document has been sent. */
export const holdDocument = ({ take, giveBack }: AnswerMemory): { take: TakeMemory; end(): void } => {
  let held = 0
  return {
    take(bytes) {
      held += copiesOfDocument * bytes
      return take(copiesOfDocument * bytes)
    },
    end: () => giveBack(held),
  }
}

export const documentOf = async (
  deps: DocumentDeps,
  found: RunRow,
  memory: AnswerMemory = notCounted,
): Promise<string> => {
  const { take } = holdDocument(memory)
  const [run, steps, definition] = await Promise.all([
    withInitParams(deps.database, found, take),
    stepsOf(deps.database, [found.id], take),
    deps.definitions(found.definition),
  ])
  return wholeText(deps, run, steps, definition)
}

/** Whose turn it is to write a document: the collection's. */
export const payerOf = ({ name }: { name: string }): string => name.slice(0, name.indexOf('/'))

/** Adds the rest of the run's trial. */
const withTrial = async <Run extends RunSummaryRow>({ lending }: DocumentDeps, run: Run): Promise<Run> => {
  const trial = run.on_trial ? await lending.leftAfter(run.id) : undefined
  return trial ? { ...run, trial } : run
}

/** Adds the version of the task, and the rest of the run's trial. */
export const withFacts = async <Run extends RunSummaryRow>(deps: DocumentDeps, run: Run): Promise<Run> => {
  const [numbered = run] = await withVersionNumbers(deps.database, [run])
  return withTrial(deps, numbered)
}

/** Document of a run with the latest agent events, up to the change `until`. */
export const wholeText = async (
  deps: DocumentDeps,
  run: WholeRun,
  steps: StepRecord[],
  definition: ShownDefinition,
  until = Number.MAX_SAFE_INTEGER,
): Promise<string> => {
  const shown = definition.hasEvents ? await withEvents(deps.database, steps, definition, until) : steps
  const live = run.ended_at ? undefined : await liveSteps(deps.database, shown, definition)
  const pieces = trajectoryPieces(await withFacts(deps, run), shown, definition, deps.links.publicUrl, live)
  return doInSlices(pieces, payerOf(run))
}

/** Streams the documents of a page of runs in order. Large values are in memory for one run at a time. */
export async function* documentsOf(
  deps: DocumentDeps,
  runs: RunRow[],
  memory: AnswerMemory = notCounted,
): AsyncGenerator<string> {
  const { database } = deps
  for (const some of inPortions(runs)) {
    const steps = groupByRun(await storedStepsOf(database, keysOf(some)))
    for (const found of await withVersionNumbers(database, some)) {
      const { take, end } = holdDocument(memory)
      const run = await withInitParams(database, await withTrial(deps, found), take)
      const whole = await withLargeValues(database, steps.get(run.id) ?? [], take)
      const definition = await deps.definitions(run.definition)
      yield await doInSlices(trajectoryPieces(run, whole, definition, deps.links.publicUrl), payerOf(run))
      steps.delete(run.id)
      end()
    }
  }
}

/** Streams the summaries of a page of runs. */
export async function* summariesOf(deps: DocumentDeps, runs: RunSummaryRow[]): AsyncGenerator<string> {
  for (const some of inPortions(runs)) {
    const steps = groupByRun(await stepSummariesOf(deps.database, keysOf(some)))
    for (const found of await withVersionNumbers(deps.database, some)) {
      const run = await withTrial(deps, found)
      const definition = await deps.definitions(run.definition)
      const pieces = summaryPieces(run, steps.get(run.id) ?? [], definition, deps.links.publicUrl)
      yield await doInSlices(pieces, payerOf(run))
      steps.delete(run.id)
    }
  }
}

function* inPortions<Run>(runs: Run[]): Generator<Run[]> {
  for (let at = 0; at < runs.length; at += runsAtOnce) yield runs.slice(at, at + runsAtOnce)
}

const keysOf = (runs: { id: string }[]): string[] => runs.map(({ id }) => id)

const groupByRun = <Step extends { run_id: string }>(steps: Step[]): Map<string, Step[]> => {
  const groups = new Map<string, Step[]>()
  for (const step of steps) {
    const group = groups.get(step.run_id)
    if (group) group.push(step)
    else groups.set(step.run_id, [step])
  }
  return groups
}
