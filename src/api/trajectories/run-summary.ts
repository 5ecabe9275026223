import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import { doInSlices } from '../../lib/slices.ts'
import type { RunSummary } from '../../model/runs/trajectory.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  initParamsBeginning,
  rowLimit,
  type TakeMemory,
  withInitParams,
  withLargeValues,
} from '../../store/runs/payloads.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { mostSteps, stepOutlines, storedStepsAt } from '../../store/runs/step-records.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { previewCharacters, referenceText } from '../steps/large-value.ts'
import type { ShownDefinition } from './definitions.ts'
import { outlinePieces, stepSummaryText, withDivergence } from './document.ts'
import { type AnswerMemory, type DocumentDeps, holdDocument, payerOf, withFacts } from './documents.ts'
import { endedProgressOf, isFanningOut, isFanOut, isWithWorker, type LiveStep, liveSteps } from './live-steps.ts'

/** Writes the summary of one run: small, however large its values are. */
export const runSummaryOf = async (deps: DocumentDeps, run: RunRow, memory: AnswerMemory): Promise<string> => {
  const [steps, definition] = await Promise.all([
    stepOutlines(deps.database, { runKey: run.id, from: 0, order: 'asc', limit: mostSteps }),
    deps.definitions(run.definition),
  ])
  return runSummaryText(deps, run, steps, definition, holdDocument(memory).take)
}

export const runSummaryText = async (
  deps: DocumentDeps,
  run: RunRow,
  steps: StepRecord[],
  definition: ShownDefinition,
  take: TakeMemory,
): Promise<string> => {
  const [initParams, live, shown] = await Promise.all([
    initParamsText(deps.database, run, take),
    fanOutsAndJobs(deps.database, run, steps, definition, take),
    withFacts(deps, run),
  ])
  const outline = outlinePieces(withDivergence(shown, steps), steps, definition, deps.links.publicUrl, (step, beside) =>
    stepSummaryText(step, definition, { ...beside, ...live.get(step.seq) }),
  )
  return objectText<RunSummary>({ ...(await doInSlices(outline, payerOf(run))), ...initParams })
}

/** Address that returns the complete `init_params` of a run. */
const initParamsHref = ({ name, trajectory_id }: RunRow): string =>
  `/api/v1/trajectory/${name.split('/').map(encodeURIComponent).join('/')}/${encodeURIComponent(trajectory_id)}/init_params`

const initParamsText = async (database: Queries, run: RunRow, take: TakeMemory) => {
  if (run.init_params_bytes <= rowLimit) {
    const { init_params } = await withInitParams(database, run, take)
    return { init_params: new WrittenJson(init_params), large_values: [] }
  }
  const beginning = await initParamsBeginning(database, run.id, previewCharacters)
  const text = referenceText({ beginning, bytes: run.init_params_bytes, href: initParamsHref(run) })
  return { init_params: new WrittenJson(text), large_values: ['/init_params'] }
}

/**
 * Reads how far the steps are that wait for child runs or for workers, and what came of the child runs of others. The
 * inputs of a step that waits for its runs say how many they will be.
 */
const fanOutsAndJobs = async (
  database: Queries,
  run: RunRow,
  steps: StepRecord[],
  definition: ShownDefinition,
  take: TakeMemory,
): Promise<ReadonlyMap<number, LiveStep>> => {
  const ended = steps.filter((step) => step.status !== 'running' && isFanOut(step, definition))
  const counted = ended.map(
    async (step): Promise<[number, LiveStep]> => [step.seq, { progress: await endedProgressOf(database, step) }],
  )
  const past = await Promise.all(counted)
  if (run.ended_at) return new Map(past)
  const waiting = steps.filter((step) => isFanningOut(step, definition)).map(({ seq }) => seq)
  const whole =
    waiting.length === 0 ? [] : await withLargeValues(database, await storedStepsAt(database, run.id, waiting), take)
  const open = [...whole, ...steps.filter((step) => isWithWorker(step, definition))]
  return new Map([...past, ...(await liveSteps(database, open, definition))])
}
