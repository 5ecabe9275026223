import { implement, type Route } from '../../http/implement.ts'
import { type Reply, rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { parsedObject } from '../../lib/json/json-object.ts'
import { memberText } from '../../lib/json/json-text.ts'
import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import { timestamp } from '../../lib/time.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { StepDetail } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import { withInitParams, withLargeValues } from '../../store/runs/payloads.ts'
import { stepSummariesOf } from '../../store/runs/run-lists.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { stepCallsAfter } from '../../store/runs/step-calls.ts'
import { findStep } from '../../store/runs/step-records.ts'
import type { StepRecord, StoredStep } from '../../store/runs/step-row.ts'
import { withEvents } from '../trajectories/agent-events.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { readyTimesOf, stepMembers } from '../trajectories/document.ts'
import { type AnswerMemory, type DocumentDeps, holdDocument } from '../trajectories/documents.ts'
import { liveSteps } from '../trajectories/live-steps.ts'
import { stepSections, stepsContract } from './contract.ts'
import { hasAlternatives, originsOf } from './origins.ts'
import { withReferences } from './references.ts'

/** Writes one step as its own answer. */
const stepDetailText = async (
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

interface RunPath {
  task: string
  trajectory_id: string
}

export const stepsRoutes = (deps: DocumentDeps): Route[] => {
  const { database } = deps

  const runOf = async (collection: FoundCollection, { task, trajectory_id: trajectoryId }: RunPath) => {
    const run = await findRun(database, { collectionId: collection.id, task, trajectoryId })
    if (!run) throw new AppError('not_found', `Trajectory '${trajectoryId}' not found`)
    return run
  }

  const stepOf = async (collection: FoundCollection, params: RunPath & { step: string }) => {
    const run = await runOf(collection, params)
    const step = await findStep(database, run.id, params.step)
    if (step) return { run, step }
    throw new AppError('not_found', `Run '${run.trajectory_id}' has no step '${params.step}'`, {
      hint: 'It has not started yet, or its name is another one. From its second turn on, a step of a loop is called <step>__<turn>.',
    })
  }

  return implement(stepsContract, {
    getStep: async ({ collection, params, memory }) => {
      const { run, step } = await stepOf(collection, params)
      return rawJson(await stepDetailText(deps, run, step, memory))
    },

    getStepValue: async ({ collection, params, query, memory }) => {
      const { run, step } = await stepOf(collection, params)
      const text = await sectionText(deps, run, step, query.of, memory)
      return valueReply(text, query.member, `${query.of} of step '${step.name}'`)
    },

    listStepCalls: async ({ collection, params, query: { after, limit } }) => {
      const { run, step } = await stepOf(collection, params)
      const { calls, hasMore } = await stepCallsAfter(database, { runKey: run.id, seq: step.seq, after, limit })
      const shown = calls.map(({ n, at, call }) => `{"n":${n},"at":"${timestamp(at)}","call":${call}}`)
      return rawJson(`{"calls":[${shown.join(',')}],"next_after":${hasMore ? (calls.at(-1)?.n ?? null) : null}}`)
    },

    getInitParams: async ({ collection, params, query, memory }) => {
      const run = await runOf(collection, params)
      const { init_params } = await withInitParams(database, run, holdDocument(memory).take)
      return valueReply(init_params, query.member, `init_params of run '${run.trajectory_id}'`)
    },
  })
}

/** The JSON text of a part of a step; no other part is read. */
const sectionText = async (
  { database, definitions }: { database: Queries; definitions: DocumentDeps['definitions'] },
  run: RunRow,
  step: StoredStep,
  section: (typeof stepSections)[number],
  memory: AnswerMemory,
): Promise<string> => {
  if (section === 'config') return (await definitions(run.definition)).step(step.name).config
  const wanted = section === 'inputs' ? { ...step, outputs_payload: null } : { ...step, inputs_payload: null }
  const [whole] = await withLargeValues(database, [wanted], holdDocument(memory).take)
  return whole?.[section] ?? '{}'
}

const valueReply = (text: string, member: string | undefined, whole: string): Reply => {
  if (member === undefined) return rawJson(text)
  const found = memberText(text, member)
  if (found === undefined) throw new AppError('not_found', `The ${whole} have no member '${member}'`)
  return rawJson(found)
}
