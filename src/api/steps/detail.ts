import { parsedObject } from '../../lib/json/json-object.ts'
import { memberText } from '../../lib/json/json-text.ts'
import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import type { StepDetail } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import { withLargeValues } from '../../store/runs/large-values.ts'
import { stepSummariesOf } from '../../store/runs/run-lists.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import type { StepRecord, StoredStep } from '../../store/runs/step-row.ts'
import { withEvents } from '../trajectories/agent-events.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { stepMembers } from '../trajectories/document.ts'
import { type AnswerMemory, type DocumentDeps, holdDocument } from '../trajectories/documents.ts'
import { liveSteps } from '../trajectories/live-steps.ts'
import { readyTimesOf } from '../trajectories/step-times.ts'
import { stepSections } from './contract.ts'
import { hasAlternatives, originsOf } from './origins.ts'
import { withReferences } from './references.ts'

/** Writes one step as its own answer. */
export const stepDetailText = async (
  deps: DocumentDeps,
  run: RunRow,
  stored: StoredStep,
  memory: AnswerMemory,
): Promise<string> => {
  const { database } = deps
  const definition = await deps.definitions(run.definition)
  const { take } = holdDocument(memory)
  const whole = await withLargeValues(database, [stored], take)
  const shown = definition.hasEvents ? await withEvents(database, whole, definition, Number.MAX_SAFE_INTEGER) : whole
  const live = run.ended_at ? undefined : await liveSteps(database, whole, definition)
  const readyAt = await readyTimesOf(database, run, [stored], definition)
  const step = shown[0] ?? stored
  const href = stepHref(run, step.name)
  const texts = {
    inputs: step.inputs ?? '{}',
    outputs: step.outputs ?? '{}',
    config: definition.step(step.name).config,
  }
  const pointers: string[] = []
  const byReference = stepSections.map((of) => {
    const referenced = withReferences(
      texts[of],
      (member) => `${href}/value?${new URLSearchParams(member === undefined ? { of } : { of, member })}`,
    )
    pointers.push(...referenced.pointers.map((pointer) => `/${of}${pointer}`))
    return [of, new WrittenJson(referenced.text)] as const
  })
  return objectText<StepDetail>({
    ...stepMembers(run, step, definition, { readyAt: readyAt(step), ...live?.get(step.seq) }),
    ...(Object.fromEntries(byReference) as Record<(typeof stepSections)[number], WrittenJson>),
    origins: await originsOfStep(database, stored, step, definition),
    large_values: pointers,
  })
}

const stepHref = ({ name, trajectory_id }: RunRow, step: string): string =>
  `/api/v1/trajectory/${[...name.split('/'), trajectory_id, 'steps', step].map(encodeURIComponent).join('/')}`

const originsOfStep = async (
  database: Queries,
  stored: StoredStep,
  { inputs }: StepRecord,
  definition: ShownDefinition,
): Promise<Record<string, string>> => {
  const { bindings } = definition.step(stored.name)
  const steps = hasAlternatives(bindings) ? await stepSummariesOf(database, [stored.run_id]) : []
  const executed = steps.filter(({ seq, status }) => seq < stored.seq && status !== 'skipped')
  const warnings = stored.warnings === null ? [] : (JSON.parse(stored.warnings) as { message: string }[])
  return originsOf(bindings, {
    value: (parameter) => recordedValue(inputs, parameter),
    warnings: warnings.map(({ message }) => message),
    before: new Set(executed.map(({ name }) => name)),
  })
}

/** Larger inputs are not parsed. */
const mostCompared = 64 * 1024

const recordedValue = (inputs: string | null, parameter: string): unknown => {
  const text = inputs === null ? undefined : memberText(inputs, parameter)
  return text === undefined || text.length > mostCompared ? undefined : parsedObject(`{"value":${text}}`)?.value
}
