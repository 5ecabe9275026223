import { z } from 'zod'
import type { Activity, ActivityRegistry, ParameterMeta } from '../activities/activity.ts'
import { isObject } from '../lib/json-object.ts'
import { nearest } from '../lib/nearest.ts'
import { reservedStepNames, stepNamePattern, type Workflow } from '../model/workflow.ts'
import type { Path } from './paths.ts'
import {
  literalUnlessPath,
  nestedObject,
  pathsOf,
  type Report,
  type Roots,
  reference,
  type Source,
  staticValue,
} from './source.ts'

/** One parameter of a step: `source` first, `fallback` when it leads to nothing. */
export interface Binding {
  parameter: string
  source: Source
  fallback: Source | undefined
  required: boolean
}

export interface ProgramStep {
  /** Its place in the program. */
  index: number
  name: string
  /** As written in the workflow. */
  config: Record<string, unknown>
  activity: Activity
  bindings: Binding[]
  /** Names of the steps it refers to, in order, and what `depends_on` adds. */
  dependsOn: string[]
  /** Time limit written in the config; seconds. */
  timeoutSeconds: number | undefined
  warnings: string[]
  usesEnvironment: boolean
}

/** A workflow made ready to run. With `problems` it is not run: they say why. */
export interface Program {
  steps: ProgramStep[]
  /** Those of them that ask a model. */
  askingSteps: ProgramStep[]
  initParams: Record<string, unknown>
  problems: string[]
  /** Step → the last step that reads its inputs or outputs: until then they are kept at hand. */
  lastReader: Map<number, number>
  indexOf: Map<string, number>
}

const sections = new Set(['inputs', 'outputs', 'config', 'status', 'error'])
/** Keys of a step config that are the engine's own. */
const engineKeys = new Set(['activity', 'depends_on', 'options', 'timeout_sec'])

/** The activity's texts for a workflow that names one the server does not have; clients know this sentence. */
export const noActivity = (activity: string): string => `No step registered for '${activity}'`

/** Turns a workflow into a program; never throws: what is wrong with it is listed in `problems`. */
export const compileWorkflow = (workflow: Workflow, activities: ActivityRegistry): Program => {
  const problems: string[] = []
  const configs = workflow.step_configs ?? {}
  const names = workflow.steps ?? []
  const indexOf = new Map<string, number>()
  names.forEach((name, index) => {
    if (!stepNamePattern.test(name) || reservedStepNames.includes(name)) {
      problems.push(
        `Step name '${name}' is not allowed: expected a letter or underscore, then letters, digits, '_' or '-', at most 64, and neither init_params nor env`,
      )
    }
    if (indexOf.has(name)) problems.push(`Step '${name}' is listed twice in steps`)
    else indexOf.set(name, index)
  })

  const steps: ProgramStep[] = []
  names.forEach((name, index) => {
    const config = Object.hasOwn(configs, name) ? configs[name] : undefined
    if (!isObject(config)) {
      problems.push(`Step '${name}' has no entry in step_configs`)
      return
    }
    const activity = typeof config.activity === 'string' ? activities.get(config.activity) : undefined
    if (!activity) {
      problems.push(
        typeof config.activity === 'string' ? noActivity(config.activity) : `Step '${name}' names no activity`,
      )
      return
    }
    const report: Report = (problem) => problems.push(`Step '${name}': ${problem}`)
    steps.push(compileStep(name, index, config, activity, rootsBefore(index, indexOf), indexOf, report))
  })

  const lastReader = new Map<number, number>()
  for (const step of steps) {
    for (const root of step.bindings.flatMap(readsOf).map((path) => path.root)) {
      const index = indexOf.get(root)
      if (index !== undefined) lastReader.set(index, step.index)
    }
  }
  const askingSteps = steps.filter(({ activity }) => activity.asks)
  return { steps, askingSteps, initParams: workflow.init_params ?? {}, problems, lastReader, indexOf }
}

export const readsOf = (binding: Binding): Path[] => [
  ...pathsOf(binding.source),
  ...(binding.fallback ? pathsOf(binding.fallback) : []),
]

/** What the step at `index` may refer to: init_params, env, and the steps before it. */
const rootsBefore = (index: number, indexOf: Map<string, number>): Roots => ({
  known: (root) => reservedStepNames.includes(root) || (indexOf.get(root) ?? index) < index,
  problem(path) {
    if (reservedStepNames.includes(path.root)) return undefined
    const target = indexOf.get(path.root)
    if (target === undefined) return `unknown reference '${path.text}': there is no step '${path.root}'`
    if (target === index) return `'${path.text}' refers to the step itself`
    if (target > index) return `'${path.text}' refers to a step that runs later`
    const first = path.segments[0]
    return first && !(first.kind === 'name' && sections.has(first.name))
      ? `unknown reference '${path.text}': after a step's name expected one of ${[...sections].join(', ')}`
      : undefined
  },
})

const compileStep = (
  name: string,
  index: number,
  config: Record<string, unknown>,
  activity: Activity,
  roots: Roots,
  indexOf: Map<string, number>,
  report: Report,
): ProgramStep => {
  const warnings: string[] = []
  const written = new Map<string, Written>()
  for (const [key, value] of Object.entries(config)) {
    if (engineKeys.has(key) && !Object.hasOwn(activity.parameters.shape, key)) continue
    if (key === '__proto__') continue
    place(written, sourceOf(key, value, activity, rootsFor(key, config, activity, roots), report))
  }
  const bindings = bind(written, activity, warnings)
  const paths = bindings.flatMap(readsOf)
  const listed = Array.isArray(config.depends_on) ? config.depends_on : []
  for (const other of listed) {
    if (typeof other !== 'string' || (indexOf.get(other) ?? index) >= index) {
      report(`depends_on names ${JSON.stringify(other)}, which is no step before this one`)
    }
  }
  const dependsOn = [...paths.map((path) => path.root), ...listed.filter((other) => typeof other === 'string')]
  const timeout = config.timeout_sec
  return {
    index,
    name,
    config,
    activity,
    bindings,
    dependsOn: [...new Set(dependsOn)].filter((root) => indexOf.has(root)),
    timeoutSeconds: typeof timeout === 'number' && timeout > 0 ? timeout : undefined,
    warnings,
    usesEnvironment: paths.some((path) => path.root === 'env'),
  }
}

/** A `{{name}}` that the step itself gives a value for is its own placeholder, even if a step is called so. */
const rootsFor = (key: string, config: Record<string, unknown>, activity: Activity, roots: Roots): Roots => {
  const given = [
    activity.takesAnyParameter ? config : {},
    ...[config.variables, config.user_prompt_params].filter(isObject),
  ]
  const own = (root: string) => [root, `${root}_path`].some((name) => given.some((one) => Object.hasOwn(one, name)))
  return key.endsWith('_path') || key.endsWith('_path_expr')
    ? roots
    : { known: (root) => roots.known(root) && !own(root), problem: roots.problem }
}

interface Written {
  byPath?: Source
  byValue?: Source
}

interface Placed {
  target: string
  byPath: boolean
  source: Source
}

/** The rules in their order: which parameter a key speaks of, and how its value is read. */
const sourceOf = (key: string, value: unknown, activity: Activity, roots: Roots, report: Report): Placed => {
  const declared = (name: string) => Object.hasOwn(activity.parameters.shape, name)
  if (key.endsWith('_path') && declared(key)) {
    return { target: key, byPath: false, source: literalUnlessPath(value, roots, report) }
  }
  if (key.endsWith('_path_expr')) {
    const path = key.slice(0, -5)
    const target = declared(path) ? path : key.slice(0, -10)
    return { target, byPath: true, source: reference(value, roots, report) }
  }
  if (key.endsWith('_path')) return { target: key.slice(0, -5), byPath: true, source: reference(value, roots, report) }
  if (activity.literal.includes(key)) return { target: key, byPath: false, source: { kind: 'value', value } }
  if (activity.nested.includes(key)) return { target: key, byPath: false, source: nestedObject(value, roots, report) }
  if (activity.pathsInArrays.includes(key) && Array.isArray(value)) {
    return { target: key, byPath: false, source: literalUnlessPath(value, roots, report) }
  }
  return { target: key, byPath: false, source: staticValue(value, roots, report) }
}

const place = (written: Map<string, Written>, placed: Placed): void => {
  const entry = written.get(placed.target) ?? {}
  if (placed.byPath) entry.byPath = placed.source
  else entry.byValue = placed.source
  written.set(placed.target, entry)
}

/** Old names step in where the right one is absent; what nobody declared is named in a warning. */
const bind = (written: Map<string, Written>, activity: Activity, warnings: string[]): Binding[] => {
  const shape = activity.parameters.shape
  const aliases = aliasesOf(activity)
  const required = requiredOf(activity)
  const bindings = new Map<string, Binding>()
  const add = (parameter: string, { byPath, byValue }: Written) => {
    bindings.set(parameter, {
      parameter,
      source: byPath ?? byValue ?? { kind: 'value', value: undefined },
      fallback: byPath ? byValue : undefined,
      required: required.has(parameter),
    })
  }
  for (const [name, entry] of written) if (Object.hasOwn(shape, name)) add(name, entry)
  for (const [name, entry] of written) {
    if (Object.hasOwn(shape, name)) continue
    const target = aliases.get(name)
    if (target) {
      warnings.push(`parameter '${name}' is an old name; use '${target}'`)
      if (!bindings.has(target)) add(target, entry)
    } else if (activity.takesAnyParameter) add(name, entry)
    else {
      const guess = nearest(name, Object.keys(shape))
      warnings.push(`unknown parameter '${name}'${guess ? `; did you mean '${guess}'?` : ''}`)
    }
  }
  return [...bindings.values()]
}

const requiredByActivity = new WeakMap<Activity, Set<string>>()

/** Parameters that must be given. From the JSON Schema, which knows that an "anything" may still not be absent. */
const requiredOf = (activity: Activity): Set<string> => {
  const known = requiredByActivity.get(activity)
  if (known) return known
  const schema = z.toJSONSchema(activity.parameters, { io: 'input', unrepresentable: 'any' })
  const required = new Set(schema.required ?? [])
  requiredByActivity.set(activity, required)
  return required
}

const aliasesOf = (activity: Activity): Map<string, string> => {
  const aliases = new Map<string, string>()
  for (const [name, field] of Object.entries(activity.parameters.shape)) {
    const meta = (field as { meta(): ParameterMeta | undefined }).meta()
    for (const alias of meta?.aliases ?? []) aliases.set(alias, name)
  }
  return aliases
}
