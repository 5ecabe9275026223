import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { parsedJson, parsedObject } from '../../lib/json/json-object.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type {
  CommonDifference,
  RunDifference,
  StepDifference,
  ValueDifference,
} from '../../model/runs/run-difference.ts'
import { makeSpentOnRun } from '../../store/calls/budget.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { type WholeRun, withInitParams } from '../../store/runs/payloads.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import {
  type StepPair,
  type StepValues,
  stepPairs,
  stepValues,
  type WantedValues,
} from '../../store/runs/step-records.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { identityOf, trajectoryUrl } from '../trajectories/document.ts'
import { diffContract } from './contract.ts'

/** The paths at which two JSON values differ, as a workflow writes them, and whether there are more. */
interface JsonDifference {
  paths: string[]
  more: boolean
}

const mostDeep = 100

/** Lists at most that many paths, in order of occurrence. An element that only one value has counts as one path. */
export const jsonDifference = (left: unknown, right: unknown, most: number): JsonDifference => {
  const paths: string[] = []
  let more = false
  const add = (path: string) => {
    if (paths.length < most) paths.push(path)
    else more = true
  }
  const walk = (one: unknown, other: unknown, path: string, depth: number): void => {
    if (more || one === other) return
    if (depth < mostDeep && isBranch(one) && isBranch(other) && Array.isArray(one) === Array.isArray(other)) {
      for (const key of keysOf(one, other)) {
        walk(valueAt(one, key), valueAt(other, key), append(path, key, Array.isArray(one)), depth + 1)
      }
    } else add(path)
  }
  walk(left, right, '', 0)
  return { paths, more }
}

type Branch = Record<string, unknown> | unknown[]

const isBranch = (value: unknown): value is Branch => typeof value === 'object' && value !== null

/** Keys of both values, those of the first one first. */
const keysOf = (one: Branch, other: Branch): Iterable<string> => new Set([...Object.keys(one), ...Object.keys(other)])

const valueAt = (branch: Branch, key: string): unknown =>
  Object.hasOwn(branch, key) ? (branch as Record<string, unknown>)[key] : undefined

const append = (path: string, key: string, isElement: boolean): string => {
  if (isElement) return `${path}[${key}]`
  if (!/^[\w-]+$/.test(key)) return `${path}['${key}']`
  return path === '' ? key : `${path}.${key}`
}

const mostPaths = 100
/** Characters shown of a value that is too large. */
const shownCharacters = 500

/** Remaining space for values in one answer; later values are shortened to their beginnings. */
interface Allowance {
  /** Reserves space for two values of that many bytes each; false when they must be shortened. */
  take(bytes: number): boolean
}

const makeAllowance = (mostBytes: number): Allowance => {
  let left = mostBytes
  return {
    take(bytes) {
      const isWhole = 2 * bytes <= left
      left -= isWhole ? 2 * bytes : 0
      return isWhole
    },
  }
}

interface Texts {
  left: string | null
  right: string | null
}

const parsed = (text: string | null): unknown => (text === null ? null : parsedJson(text))

/** Compares two JSON texts; undefined when only their spelling differs. */
const wholeDifference = ({ left, right }: Texts): ValueDifference | undefined => {
  if (left === right) return undefined
  const values = { left: parsed(left), right: parsed(right) }
  const { paths, more } = jsonDifference(values.left, values.right, mostPaths)
  return paths.length === 0 ? undefined : { ...values, paths, more_paths: more, clipped: false }
}

/** Compares the beginnings of texts that are too large. */
const clippedDifference = ({ left, right }: Texts): ValueDifference => ({
  left: begin(left),
  right: begin(right),
  paths: [],
  more_paths: true,
  clipped: true,
})

const begin = (text: string | null): string | null =>
  text !== null && text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text

/** Compares texts already in memory. */
const textDifference = (texts: Texts, allowance: Allowance): ValueDifference | undefined => {
  if (texts.left === texts.right) return undefined
  const length = Math.max(texts.left?.length ?? 0, texts.right?.length ?? 0)
  return allowance.take(length) ? wholeDifference(texts) : clippedDifference(texts)
}

const sections = ['inputs', 'outputs'] as const
type Section = (typeof sections)[number]

/** Maximum number of listed steps. */
const mostSteps = 1_000

/** Two runs, and how their workflows are shown. */
interface Pair<Of> {
  left: Of
  right: Of
}

interface StepDifferences {
  steps: StepDifference[]
  total: number
  different: number
}

/** Compares the steps of two runs. */
const stepDifferences = async (
  queries: Queries,
  runs: Pair<RunRow>,
  definitions: Pair<ShownDefinition>,
  allowance: Allowance,
): Promise<StepDifferences> => {
  const changed = changedSteps(definitions)
  const pairs = await stepPairs(queries, { left: runs.left.id, right: runs.right.id, changed, limit: mostSteps })
  const plans = pairs.map((pair) => planOf(pair, allowance))
  const wanted = plans.flatMap((plan) => wantedOf(plan, runs))
  const values = wanted.length === 0 ? [] : await stepValues(queries, wanted)
  const byPlace = new Map(values.map((row) => [`${row.run_id} ${row.seq}`, row]))
  const steps = plans.map((plan) => {
    const { left_seq, right_seq } = plan.pair
    const found = {
      left: byPlace.get(`${runs.left.id} ${left_seq}`),
      right: byPlace.get(`${runs.right.id} ${right_seq}`),
    }
    return stepDifference(plan, found, definitions, allowance)
  })
  return { steps, total: pairs[0]?.pairs ?? 0, different: pairs[0]?.different ?? 0 }
}

/** Steps with different configuration in the two workflows. */
const changedSteps = ({ left, right }: Pair<ShownDefinition>): string[] => {
  if (left === right) return []
  const names = [left, right].flatMap(({ totalSteps }) => JSON.parse(totalSteps) as string[])
  return [...new Set(names)].filter((name) => left.step(name).config !== right.step(name).config)
}

/** A pair of steps, and how much of its values is read: all, or the beginnings. */
interface Plan {
  pair: StepPair
  isWhole: Record<Section, boolean>
}

const isInBoth = ({ left_seq, right_seq }: StepPair): boolean => left_seq !== null && right_seq !== null

const planOf = (pair: StepPair, allowance: Allowance): Plan => ({
  pair,
  isWhole: {
    inputs: isInBoth(pair) && pair.inputs_differ && allowance.take(pair.inputs_bytes),
    outputs: isInBoth(pair) && pair.outputs_differ && allowance.take(pair.outputs_bytes),
  },
})

const wantedOf = ({ pair, isWhole }: Plan, runs: Pair<RunRow>): WantedValues[] => {
  const { left_seq, right_seq } = pair
  if (left_seq === null || right_seq === null || !(pair.inputs_differ || pair.outputs_differ)) return []
  const length = (section: Section) =>
    !pair[`${section}_differ`] ? 0 : isWhole[section] ? pair[`${section}_bytes`] : shownCharacters + 1
  const wanted = { inputs: length('inputs'), outputs: length('outputs') }
  return [
    { runKey: runs.left.id, seq: left_seq, ...wanted },
    { runKey: runs.right.id, seq: right_seq, ...wanted },
  ]
}

const stepDifference = (
  { pair, isWhole }: Plan,
  found: { left: StepValues | undefined; right: StepValues | undefined },
  definitions: Pair<ShownDefinition>,
  allowance: Allowance,
): StepDifference => {
  if (!isInBoth(pair)) return { step: pair.name, in: pair.left_seq === null ? 'right' : 'left', same: false }
  const of = (section: Section) => {
    if (!pair[`${section}_differ`]) return undefined
    const texts: Texts = { left: found.left?.[section] ?? null, right: found.right?.[section] ?? null }
    return isWhole[section] ? wholeDifference(texts) : clippedDifference(texts)
  }
  const [inputs, outputs] = sections.map(of)
  const configs = { left: definitions.left.step(pair.name).config, right: definitions.right.step(pair.name).config }
  const config = definitions.left === definitions.right ? undefined : textDifference(configs, allowance)
  const error = unlessSame(messageIn(pair.left_error), messageIn(pair.right_error))
  const status = unlessSame<string | null>(pair.left_status, pair.right_status)
  const cost = outputs && !outputs.clipped && unlessSame(costIn(outputs.left), costIn(outputs.right))
  const values = { ...(inputs && { inputs }), ...(outputs && { outputs }), ...(config && { config }) }
  const differences = { ...(status && { status }), ...(error && { error }), ...values }
  return {
    step: pair.name,
    in: 'both',
    same: Object.keys(differences).length === 0,
    ...differences,
    ...durationDifference(pair.left_ms, pair.right_ms),
    ...(cost && { cost }),
  }
}

const messageIn = (error: string | null): string | null =>
  error === null ? null : String(parsedObject(error)?.message ?? '')

/** Cost that a step's outputs state. */
const costIn = (outputs: unknown): number | null => {
  const cost = (outputs as { cost_usd?: unknown } | null)?.cost_usd
  return typeof cost === 'number' ? cost : null
}

const unlessSame = <Value>(left: Value, right: Value): Pair<Value> | undefined =>
  left === right ? undefined : { left, right }

const durationDifference = (leftMs: number | null, rightMs: number | null): Pick<CommonDifference, 'duration'> => {
  const seconds = (ms: number | null) => (ms === null ? null : Math.max(0, Math.round(ms)) / 1000)
  const duration = unlessSame(seconds(leftMs), seconds(rightMs))
  return duration ? { duration } : {}
}

interface DiffDeps {
  database: Database
  definitions: (hash: string) => Promise<ShownDefinition>
  links: { readonly publicUrl: string }
  settings: { diffBytes: number }
}

const missing = (id: string) => new AppError('not_found', `Trajectory '${id}' not found`)

const msOf = ({ started_at, ended_at }: RunRow): number | null =>
  started_at && ended_at ? ended_at.getTime() - started_at.getTime() : null

/** Copies in memory: the text, the connection's buffer, and the comparison's own. */
const copiesAtOnce = 3

export const diffRoutes = (deps: DiffDeps): Route[] => {
  const { database } = deps
  const spentOnRun = makeSpentOnRun(database)

  const find = (collection: FoundCollection, task: string, trajectoryId: string) =>
    findRun(database, { collectionId: collection.id, task, trajectoryId })

  /** Ids from outside may contain slashes: tried first as an id of the same task. */
  const findOther = async (collection: FoundCollection, task: string, text: string) => {
    const slash = text.indexOf('/')
    const found = await find(collection, task, text)
    return found || slash < 0 ? found : find(collection, text.slice(0, slash), text.slice(slash + 1))
  }

  const compare = async (left: WholeRun, right: WholeRun): Promise<RunDifference> => {
    const allowance = makeAllowance(deps.settings.diffBytes)
    const [leftDefinition, rightDefinition, leftCost, rightCost] = await Promise.all([
      deps.definitions(left.definition),
      deps.definitions(right.definition),
      spentOnRun(left.id),
      spentOnRun(right.id),
    ])
    const initParams = textDifference({ left: left.init_params, right: right.init_params }, allowance)
    const { steps, total, different } = await stepDifferences(
      database,
      { left, right },
      { left: leftDefinition, right: rightDefinition },
      allowance,
    )
    const status = unlessSame<string>(left.status, right.status)
    const error = unlessSame(left.error, right.error)
    const definition = unlessSame(left.definition, right.definition)
    const cost = unlessSame(leftCost, rightCost)
    const differences = {
      ...(status && { status }),
      ...(error && { error }),
      ...(definition && { definition }),
      ...(initParams && { init_params: initParams }),
    }
    return {
      ...sides({ left, right }),
      same: Object.keys(differences).length === 0 && steps.every((step) => step.same),
      run: { ...differences, ...durationDifference(msOf(left), msOf(right)), ...(cost && { cost }) },
      steps,
      total_steps: total,
      different_steps: different,
    }
  }

  const sides = (runs: Pair<RunRow>) => {
    const side = (run: RunRow) => {
      const { trajectory_id, task, workflow_id } = identityOf(run)
      return { trajectory_id, task, workflow_id, url: trajectoryUrl(run, deps.links.publicUrl) }
    }
    return { left: side(runs.left), right: side(runs.right) }
  }

  return implement(diffContract, {
    diffTrajectories: async ({ collection, params, query, memory }) => {
      const { task, trajectory_id: id } = params
      const [left, right] = await Promise.all([find(collection, task, id), findOther(collection, task, query.with)])
      if (!left) throw missing(id)
      if (!right) throw missing(query.with)
      const whole = (run: RunRow) => withInitParams(database, run, (bytes) => memory.take(copiesAtOnce * bytes))
      return compare(await whole(left), await whole(right))
    },
  })
}
