import type { Binding } from '../../engine/program/bindings.ts'
import { nameInWorkflow } from '../../engine/program/program.ts'
import { pathsOf, type Source } from '../../engine/program/source.ts'
import { implement, type Route } from '../../http/implement.ts'
import { type Reply, rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { parsedObject } from '../../lib/json/json-object.ts'
import { canonicalJson, memberSpans, memberText } from '../../lib/json/json-text.ts'
import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import { timestamp } from '../../lib/time.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { StepDetail, StepSpan } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import { rowLimit, withInitParams, withLargeValues } from '../../store/runs/payloads.ts'
import { stepSummariesOf } from '../../store/runs/run-lists.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { stepCallsAfter } from '../../store/runs/step-calls.ts'
import { findStep } from '../../store/runs/step-records.ts'
import type { StepRecord, StoredStep } from '../../store/runs/step-row.ts'
import { readReceivedSpan, receivedSpanBytes } from '../../store/runs/traces.ts'
import { withEvents } from '../trajectories/agent-events.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { readyTimesOf, stepMembers } from '../trajectories/document.ts'
import { type AnswerMemory, type DocumentDeps, holdDocument } from '../trajectories/documents.ts'
import { liveSteps } from '../trajectories/live-steps.ts'
import { stepSections, stepsContract } from './contract.ts'
import { previewCharacters, referenceText } from './large-value.ts'

/** An object whose large values are references. */
interface Referenced {
  /** JSON text. */
  text: string
  /** JSON pointers to the references, from the object; empty for the object itself. */
  pointers: string[]
}

/** An object with more members is shown as one reference. */
const mostMembers = 1_000

/**
 * Replaces the members of a JSON object that are over 64 KiB with references; the object itself if the rest is over
 * 64 KiB as well. Nothing is parsed, so that the time and memory follow from the length of the text.
 */
export const withReferences = (text: string, hrefOf: (member?: string) => string): Referenced => {
  if (text.length <= rowLimit) return { text, pointers: [] }
  const kept = new Map<string, string>()
  const pointers: string[] = []
  let length = 0
  for (const { name, start, end } of memberSpans(text)) {
    length += name.length
    if (end - start > rowLimit) {
      kept.set(name, reference(text, start, end, hrefOf(name)))
      pointers.push(pointerTo(name))
    } else {
      kept.set(name, text.slice(start, end))
      length += end - start
    }
    if (length > rowLimit || kept.size > mostMembers) {
      return { text: reference(text, 0, text.length, hrefOf()), pointers: [''] }
    }
  }
  const members = [...kept].map(([name, value]) => `${JSON.stringify(name)}:${value}`)
  return { text: `{${members.join(',')}}`, pointers: [...new Set(pointers)] }
}

const reference = (text: string, start: number, end: number, href: string): string =>
  referenceText({
    beginning: text.slice(start, Math.min(end, start + 2 * previewCharacters)),
    bytes: Buffer.byteLength(text.slice(start, end)),
    href,
  })

const pointerTo = (name: string): string => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`

/** Facts of a step's record about the values of its parameters. */
export interface RecordedInputs {
  /** Reads the recorded value of a parameter; undefined if it is unknown or too large to compare. */
  value(parameter: string): unknown
  /** Messages of the step's warnings. */
  warnings: readonly string[]
  /** Names of the steps that were executed before it. */
  before: ReadonlySet<string>
}

/** Characters of an expression; a longer one is cut off. */
const longestExpression = 2_000

/** Finds the expression behind each parameter of a step. Leaves out parameters with literal values. */
export const originsOf = (bindings: readonly Binding[], recorded: RecordedInputs): Record<string, string> => {
  const origins: [string, string][] = []
  for (const binding of bindings) {
    const source = usedSource(binding, recorded)
    if (source.kind !== 'value') origins.push([binding.parameter, clip(expressionOf(source))])
  }
  return Object.fromEntries(origins)
}

/** Tells whether a parameter has a second expression. Earlier steps then decide which of the two was used. */
const hasAlternatives = (bindings: readonly Binding[]): boolean =>
  bindings.some(({ fallback }) => fallback !== undefined && fallback.kind !== 'value')

/**
 * Finds the source that was used. If a path had no value, it is the static value; a warning says so, unless the step
 * was skipped.
 */
const usedSource = ({ parameter, source, fallback }: Binding, { value, warnings, before }: RecordedInputs): Source => {
  if (!fallback) return source
  const warning = `parameter '${parameter}': `
  if (warnings.some((text) => text.startsWith(warning) && text.endsWith('its static value is used'))) return fallback
  if (fallback.kind === 'value') {
    const given = value(parameter)
    return given !== undefined && canonicalJson(given) === canonicalJson(fallback.value) ? fallback : source
  }
  const isThere = (root: string) =>
    root === 'init_params' ||
    root === 'env' ||
    root === 'callbacks' ||
    [...before].some((name) => nameInWorkflow(name, (one) => one === root) === root)
  return pathsOf(source).every(({ root }) => isThere(root)) ? source : fallback
}

const expressionOf = (source: Source): string => {
  switch (source.kind) {
    case 'path':
      return source.path.text
    case 'text':
      return source.parts.map((part) => (typeof part === 'string' ? part : `{{${part.text}}}`)).join('')
    case 'list':
      return `[${source.items.map(expressionOf).join(', ')}]`
    case 'object':
      return `{${source.entries.map(([key, item]) => `${JSON.stringify(key)}: ${expressionOf(item)}`).join(', ')}}`
    case 'default':
      return `${expressionOf(source.source)} or ${expressionOf(source.otherwise)}`
    default:
      return JSON.stringify(source.value) ?? 'null'
  }
}

const clip = (text: string): string =>
  text.length > longestExpression ? `${text.slice(0, longestExpression - 1)}…` : text

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
      const text = await (query.of === 'span'
        ? spanText(deps, step, memory)
        : sectionText(deps, run, step, query.of, memory))
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

/** The JSON text of what another program sent of a step. */
const spanText = async (
  { database }: { database: Queries },
  { run_id: runKey, span, name }: StoredStep,
  memory: AnswerMemory,
): Promise<string> => {
  if (span === null) {
    throw new AppError('not_found', `Step '${name}' records no span`, {
      hint: 'Only steps of a trace that another program sent have one.',
    })
  }
  const { id } = JSON.parse(span) as StepSpan
  await holdDocument(memory).take((await receivedSpanBytes(database, runKey, id)).bytes)
  return (await readReceivedSpan(database, runKey, id)).attributes
}

const valueReply = (text: string, member: string | undefined, whole: string): Reply => {
  if (member === undefined) return rawJson(text)
  const found = memberText(text, member)
  if (found === undefined) throw new AppError('not_found', `The ${whole} have no member '${member}'`)
  return rawJson(found)
}
