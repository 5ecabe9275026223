import { parsedObject } from '../../lib/json/json-object.ts'
import type { CommonDifference, StepDifference } from '../../model/runs/run-difference.ts'
import type { Queries } from '../../store/database/database.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import {
  type StepPair,
  type StepValues,
  stepPairs,
  stepValues,
  type WantedValues,
} from '../../store/runs/step-pairs.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import {
  type Allowance,
  clippedDifference,
  shownCharacters,
  type Texts,
  textDifference,
  wholeDifference,
} from './values.ts'

const sections = ['inputs', 'outputs'] as const
type Section = (typeof sections)[number]

/** Maximum number of listed steps. */
const mostSteps = 1_000

/** Two runs, and how their workflows are shown. */
export interface Pair<Of> {
  left: Of
  right: Of
}

interface StepDifferences {
  steps: StepDifference[]
  total: number
  different: number
}

/** Compares the steps of two runs. */
export const stepDifferences = async (
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

export const unlessSame = <Value>(left: Value, right: Value): Pair<Value> | undefined =>
  left === right ? undefined : { left, right }

export const durationDifference = (
  leftMs: number | null,
  rightMs: number | null,
): Pick<CommonDifference, 'duration'> => {
  const seconds = (ms: number | null) => (ms === null ? null : Math.max(0, Math.round(ms)) / 1000)
  const duration = unlessSame(seconds(leftMs), seconds(rightMs))
  return duration ? { duration } : {}
}
