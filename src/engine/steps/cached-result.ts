import { createHash } from 'node:crypto'
import type { Json } from '../../activities/activity.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import { version } from '../../lib/version.ts'
import type { StepLog } from '../../model/runs/step.ts'
import { keepResult, objectsAt } from '../../store/runs/step-results.ts'
import { loadPayload } from '../journal/stored-results.ts'
import { type Binding, readsOf } from '../program/bindings.ts'
import type { Path } from '../program/paths.ts'
import type { ProgramStep } from '../program/program.ts'
import type { StepAtWork, StepDeps } from './step-at-work.ts'
import type { StepRun } from './step-run.ts'
import { warningEvent } from './step-side.ts'

const isFromEnvironment = ({ root }: Path): boolean => root === 'env'

/** Where the parameters come from that the inputs show as `***`: two secrets would look the same there. */
const hiddenSources = ({ activity, bindings }: ProgramStep): Json[] =>
  bindings
    .filter((one) => activity.secret.includes(one.parameter) || readsOf(one).some(isFromEnvironment))
    .map(({ parameter, source, fallback }) => ({ parameter, source, fallback }))

/** Whether a parameter is shown as `***`, and has another value in another run. */
const hasSecretOfRun = ({ activity, bindings, tools }: ProgramStep, inputs: Record<string, Json>): boolean => {
  const isOfRun = (one: Binding): boolean => {
    const reads = readsOf(one)
    return reads.length === 0 || !reads.every(isFromEnvironment)
  }
  const ofTools = tools.flatMap((tool) =>
    tool.bindings.filter(({ parameter }) => tool.activity?.secret.includes(parameter)),
  )
  const own = bindings.filter(({ parameter }) => activity.secret.includes(parameter) && inputs[parameter] !== undefined)
  return [...own, ...ofTools].some(isOfRun)
}

/**
 * Hashes everything that a result depends on. Undefined, with a warning, if the inputs contain a secret that only this
 * run has: it is scrubbed from them, and two different secrets would look the same.
 */
const hashOf = async ({ engine, run, place, side }: StepAtWork, shown: string): Promise<string | undefined> => {
  const { step } = place
  const inputs = JSON.parse(shown) as Record<string, Json>
  const environment = step.usesEnvironment ? run.environment.version : ''
  if (environment === undefined || step.callbacks.length > 0 || hasSecretOfRun(step, inputs)) {
    side.warnings.push(
      warningEvent(
        "options.cache is ignored: the step's inputs hold a secret that is not of the collection's environment",
      ),
    )
    return undefined
  }
  const files = await filesIn(engine, run, inputs)
  const made = { activity: step.activity.name, version, environment, inputs, hidden: hiddenSources(step), files }
  return createHash('sha256').update(canonicalJson(made)).digest('hex')
}

/** Inputs once more as a value, and as the text that is hashed. */
const copiesToHash = 2

/** Maximum paths that are read; beyond, files differ by their path alone. More than a step usually has. */
const mostPaths = 1_000

/** A storage path may name another file later, so the object's id is hashed too. */
const filesIn = async (engine: StepDeps, run: StepRun, inputs: Json): Promise<Json> => {
  const paths = new Set<string>()
  const look = (value: Json): void => {
    if (paths.size >= mostPaths) return
    if (typeof value === 'string') {
      if (value.startsWith(`${run.collection}/`) && !value.includes('\0')) paths.add(value)
    } else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) look(item)
  }
  look(inputs)
  return paths.size === 0 ? [] : objectsAt(engine.database, run.collectionId, [...paths])
}

/**
 * Finds the outputs of a completed step with the same hash in this collection. Equal steps that execute at the same
 * time do not find each other.
 */
export const reuseResult = async (work: StepAtWork, shown: string): Promise<Record<string, Json> | undefined> => {
  const { engine, run, row, side } = work
  await work.memory.room(copiesToHash * shown.length)
  work.resultHash = await hashOf(work, shown)
  if (work.resultHash === undefined) return undefined
  const found = await engine.findResult({ collectionId: run.collectionId, hash: work.resultHash })
  if (!found) return undefined
  row.origin = JSON.stringify({ trajectory_id: found.trajectory_id, task: found.name, step: found.step, kind: 'cache' })
  side.warnings.push(...(found.warnings === null ? [] : (JSON.parse(found.warnings) as StepLog[])))
  const outputs =
    found.outputs ?? (await loadPayload(engine, found.outputs_payload, found.outputs_bytes, work.memory)) ?? '{}'
  return JSON.parse(outputs) as Record<string, Json>
}

/** To be called before the result is recorded: from then on it is found. */
export const offerResult = async ({ engine, run, row, side, resultHash: hash }: StepAtWork): Promise<void> => {
  if (hash === undefined || row.origin !== null) return
  const files = side.files.map(({ path }) => path)
  await keepResult(engine.database, { collectionId: run.collectionId, hash }, { runKey: run.key, seq: row.seq, files })
}
