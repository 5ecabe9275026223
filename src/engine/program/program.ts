import type { Activity, ActivityRegistry } from '../../activities/activity.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { doAtOnce, type Pieces } from '../../lib/slices.ts'
import { type Guess, makeGuesses } from '../../lib/text/nearest.ts'
import { mostPlacementLabels } from '../../model/runs/placement.ts'
import { workerLabelsSchema } from '../../model/workers/worker.ts'
import { mostStepsSideBySide, reservedStepNames, type Workflow } from '../../model/workflows/workflow.ts'
import { type Binding, bindParameters, readsOf } from './bindings.ts'
import { type Finding, question, type Report } from './finding.ts'
import {
  checkNames,
  type Flow,
  flowOf,
  type GuessStep,
  isParallel,
  stepFinder,
  stepGuess,
  topological,
  type WrittenStep,
} from './flow.ts'
import type { Path } from './paths.ts'
import { callbackIn, callbacksRoot, pathsOf, type Roots, withCallbacks } from './source.ts'
import { compileOptions, type StepOptions } from './step-options.ts'
import { compileTools, type ProgramTool } from './tools.ts'

/**
 * Reads the labels that a server process must have to carry out a step. Of an activity of workers, `runs_on` is a
 * parameter: the labels of a worker.
 */
const compileRunsOn = (config: Record<string, unknown>, activity: Activity, report: Report): string[] => {
  const written = config.runs_on ?? undefined
  if (written === undefined || Object.hasOwn(activity.parameters.shape, 'runs_on')) return []
  const { data, error } = workerLabelsSchema.safeParse(written)
  if (data) return data
  const why = Array.isArray(written) ? error.issues[0]?.message : 'it is written out here, and no path'
  report(`runs_on must be a list of labels such as ["gpu"]: ${why}`, { key: 'runs_on' })
  return []
}

/** All labels that steps ask of a server process, since one process carries out the whole run. */
const labelsOfSteps = (steps: readonly { name: string; runsOn: string[] }[], report: Report): string[] => {
  const labels = [...new Set(steps.flatMap(({ runsOn }) => runsOn))].sort()
  if (labels.length <= mostPlacementLabels) return labels
  report(
    `The steps ask for ${labels.length} labels with runs_on, and a server process has at most ${mostPlacementLabels}`,
    { key: 'steps' },
  )
  return []
}

export interface ProgramStep {
  /** Index in the program. */
  index: number
  name: string
  /** As written in the workflow. */
  config: Record<string, unknown>
  activity: Activity
  bindings: Binding[]
  /** What its model may call. */
  tools: ProgramTool[]
  /** Names of the steps it refers to, in order, with those of `depends_on`. */
  dependsOn: string[]
  /** Dependencies whose inputs it may read, beside their outputs. */
  readsInputsOf: ReadonlySet<string>
  /** Timeout of all attempts from the config; seconds. */
  timeoutSeconds: number | undefined
  options: StepOptions
  /** Labels that a server process must have to carry out the step. */
  runsOn: string[]
  warnings: Finding[]
  usesEnvironment: boolean
  /** Steps whose callback URLs its parameters contain. */
  callbacks: string[]
  /** Whether it is listed in `steps`; otherwise it executes only when a branch chooses it. */
  isListed: boolean
  /** Indices of the branches that lead to it. */
  decidedBy: number[]
  /** For a branch: indices of the steps of both arms. */
  branch: { true: number[]; false: number[] } | undefined
  /** For a step of a loop, counter included: indices of the loop's first step and counter. */
  loop: { first: number; counter: number } | undefined
  /** In parallel execution: indices of the steps that must end first. */
  after: number[]
}

/** A compiled workflow. With `problems` it does not run. */
export interface Program {
  workflow: Workflow
  steps: ProgramStep[]
  /** Steps that call a model on every path and whose failure fails the run. */
  askingSteps: ProgramStep[]
  /** Steps that run a runbook or a script on every path and whose failure fails the run. */
  sandboxSteps: ProgramStep[]
  /** Steps whose callback URLs the workflow refers to. */
  callbackSteps: readonly string[]
  /** Labels that a server process must have to carry out a run. */
  runsOn: string[]
  initParams: Record<string, unknown>
  /** JSON Schema that the parameters of a run must fit. */
  inputSchema: Record<string, unknown> | undefined
  problems: Finding[]
  /** For each step, the last step that reads its inputs or outputs: until then they stay in memory. */
  lastReader: Map<number, number>
  indexOf: Map<string, number>
  /** Independent steps execute in parallel. */
  isParallel: boolean
  /** Whether it has branches or loops, so that the last step alone does not determine the next. */
  isSteered: boolean
}

/** Server settings that limit workflows. */
export interface ProgramLimits {
  /** Maximum attempts that a step's options may request. */
  stepAttempts: number
}

const sections = new Set(['inputs', 'outputs', 'config', 'status', 'error'])

/** Workflow name of a recorded step: iteration n ≥ 2 of `x` in a loop is recorded as `x__n`. */
export const nameInWorkflow = (recorded: string, has: (name: string) => boolean): string => {
  if (has(recorded)) return recorded
  const base = recorded.replace(/__\d+$/, '')
  return has(base) ? base : recorded
}

/** Compiles a workflow at once, as `compilePieces` does. */
export const compileWorkflow = (...given: Parameters<typeof compilePieces>): Program =>
  doAtOnce(compilePieces(...given))

/** Compiles a workflow piece by piece. Never throws: faults are listed in `problems`. */
export function* compilePieces(
  workflow: Workflow,
  activities: ActivityRegistry,
  limits: ProgramLimits = { stepAttempts: Number.MAX_SAFE_INTEGER },
): Pieces<Program> {
  const { problems, report } = makeReport()
  const configs = workflow.step_configs ?? {}
  const guess = makeGuesses(mostGuesses)
  const guessStep = stepGuess(guess, Object.keys(configs))
  const listed = checkNames(workflow.steps ?? [], report)
  const parallel = isParallel(workflow, report)
  const find = stepFinder(workflow, activities, { report, guess, guessStep })
  const flow = yield* flowOf(listed, configs, find, report)
  if (parallel && flow.loops.size > 0) {
    const [step] = flow.loops.keys()
    report(`Step '${step}': there are no loops where steps run side by side ("execution": "parallel")`, { step })
  }
  if (parallel && flow.steps.length > mostStepsSideBySide) {
    report(
      `At most ${mostStepsSideBySide} steps run side by side, not ${flow.steps.length}: list_emit_await starts a run for each item`,
      { key: 'steps' },
    )
  }
  const written = flow.steps
  const position = new Map(written.map(({ name }, index) => [name, index]))
  const isListed = new Set(listed)
  const isThere = (name: string) => position.has(name) || isListed.has(name) // faults of these are reported elsewhere
  const roots = parallel ? anyOther(position, isThere, guessStep) : upTo(position, flow, isThere, guessStep)
  const rootsOf = position.has(callbacksRoot) ? roots : withCallbacks(roots, written, guessStep)
  const compiled: ProgramStep[] = []
  for (const [index, step] of written.entries()) {
    compiled.push(yield* compileStep(step, index, rootsOf(index), { position, activities, limits, report, guess }))
    yield
  }
  if (!parallel) refuseWayBack(flow, position, report)
  const steps = parallel && compiled.length <= mostStepsSideBySide ? sideBySide(compiled, flow, report) : compiled
  const indexOf = new Map(steps.map(({ name, index }) => [name, index]))
  steer(steps, flow, indexOf)
  const looks = { left: mostBetweenArms }
  for (const step of steps) {
    step.warnings.push(...runsOnBothWays(step, steps, indexOf))
    yield
  }
  if (!parallel) for (const step of steps) warnBetweenArms(step, steps, looks)
  yield
  return {
    workflow,
    steps,
    askingSteps: steps.filter((step) => step.activity.asks !== undefined && isBoundToCome(step)),
    sandboxSteps: steps.filter(
      ({ activity: { carriesOut, inSandbox }, ...step }) => (carriesOut || inSandbox) && isBoundToCome(step),
    ),
    callbackSteps: [...new Set(steps.flatMap(({ callbacks }) => callbacks))],
    runsOn: labelsOfSteps(steps, report),
    initParams: workflow.init_params ?? {},
    inputSchema: isObject(workflow.input_schema) ? workflow.input_schema : undefined,
    problems,
    lastReader: lastReaders(steps, indexOf, parallel),
    indexOf,
    isParallel: parallel,
    isSteered: flow.branches.size > 0 || flow.loops.size > 0,
  }
}

/** Maximum reported problems: more are not read, and each takes time. */
const mostProblems = 100
/** Maximum names for which a suggestion is computed. */
const mostGuesses = 100

const makeReport = (): { problems: Finding[]; report: Report } => {
  const problems: Finding[] = []
  return {
    problems,
    report(message, site) {
      if (problems.length < mostProblems) problems.push({ ...site, message })
      else problems[mostProblems] = { message: 'There are more problems than these' }
    },
  }
}

const isBoundToCome = ({ decidedBy, options }: Pick<ProgramStep, 'decidedBy' | 'options'>): boolean =>
  decidedBy.length === 0 && !options.continueOnError

type RootsOf = (index: number) => Roots

/** A step may refer to earlier ones, and within a loop to all of its steps, as of the previous iteration. */
const upTo = (
  position: Map<string, number>,
  { loops }: Flow,
  isThere: (name: string) => boolean,
  guessStep: GuessStep,
): RootsOf => {
  const loopOf = new Map([...loops].flatMap(([counter, group]) => [counter, ...group].map((name) => [name, counter])))
  const names = [...position.keys()]
  return (index) => {
    const own = loopOf.get(names[index] ?? '')
    const isInLoop = (root: string) => own !== undefined && loopOf.get(root) === own
    return {
      known: (root) => reservedStepNames.includes(root) || (position.get(root) ?? index) < index || isInLoop(root),
      problem(path) {
        if (reservedStepNames.includes(path.root)) return undefined
        const target = position.get(path.root)
        if (target === undefined) return isThere(path.root) ? undefined : unknownStep(path, guessStep)
        if (!isInLoop(path.root)) {
          if (target === index) return { message: `'${path.text}' refers to the step itself` }
          if (target > index) return { message: `'${path.text}' refers to a step that runs later` }
        }
        return wrongSection(path)
      },
    }
  }
}

/** In parallel execution the references determine the order: any other step may be named. */
const anyOther =
  (position: Map<string, number>, isThere: (name: string) => boolean, guessStep: GuessStep): RootsOf =>
  (index) => ({
    known: (root) => reservedStepNames.includes(root) || (position.has(root) && position.get(root) !== index),
    problem(path) {
      if (reservedStepNames.includes(path.root)) return undefined
      const target = position.get(path.root)
      if (target === undefined) return isThere(path.root) ? undefined : unknownStep(path, guessStep)
      return target === index ? { message: `'${path.text}' refers to the step itself` } : wrongSection(path)
    },
  })

const unknownStep = ({ root, text }: Path, guessStep: GuessStep): Finding => {
  const meant = guessStep(root)
  return { message: `unknown reference '${text}': there is no step '${root}'${question(meant)}`, meant }
}

const wrongSection: Roots['problem'] = ({ segments: [first], text }) =>
  first && !(first.kind === 'name' && sections.has(first.name))
    ? {
        message: `unknown reference '${text}': after a step's name expected one of ${[...sections].join(', ')}`,
      }
    : undefined

interface Compiling {
  position: Map<string, number>
  activities: ActivityRegistry
  limits: ProgramLimits
  report: Report
  guess: Guess
}

/** Whether a path to a step includes its whole record or its inputs. */
const mayReadInputs = ({ segments: [first] }: Path): boolean => first?.kind !== 'name' || first.name === 'inputs'

const noTools = { tools: [], binding: undefined }

const withoutTools = ({ tools: _, tools_path: __, ...plain }: Record<string, unknown>) => plain

function* compileStep(
  { name, config, activity, isListed }: WrittenStep,
  index: number,
  roots: Roots,
  { position, activities, limits, report: reportOf, guess }: Compiling,
): Pieces<ProgramStep> {
  const report: Report = (message, site) => reportOf(`Step '${name}': ${message}`, { step: name, ...site })
  const warnings: Finding[] = []
  const fault: Report = activity.lenient
    ? (message, site) => warnings.push({ ...site, message, isFault: true })
    : report
  const notes = { report, fault, warnings, guess }
  const { tools, binding } = activity.offersTools ? yield* compileTools(config, activities, roots, notes) : noTools
  const bound = yield* bindParameters(activity.offersTools ? withoutTools(config) : config, activity, roots, notes)
  const bindings = binding ? [...bound, binding] : bound
  const paths = bindings.flatMap(readsOf)
  const listed = Array.isArray(config.depends_on) ? config.depends_on : []
  if (listed !== config.depends_on && config.depends_on !== undefined && config.depends_on !== null) {
    fault('depends_on must be a list of step names', { key: 'depends_on' })
  }
  for (const [at, other] of listed.entries()) {
    if (typeof other !== 'string' || !position.has(other) || !roots.known(other)) {
      report(`depends_on names ${JSON.stringify(other)}, which is no step before this one`, {
        key: 'depends_on',
        inside: [at],
      })
    }
  }
  const dependsOn = [...paths.map((path) => path.root), ...listed.filter((other) => typeof other === 'string')]
  const options = compileOptions(config.options, limits, notes)
  if (options.economy === 'batch' && (activity.asks?.kind !== 'chat' || tools.length > 0)) {
    const why = tools.length > 0 ? 'its model calls tools' : `${activity.name} asks no model for text`
    report(`options.economy cannot be 'batch': ${why}`, { key: ['options', 'economy'] })
  }
  const timeout = config.timeout_sec ?? undefined
  const isTimeout = typeof timeout === 'number' && timeout > 0
  if (timeout !== undefined && !isTimeout && !Object.hasOwn(activity.parameters.shape, 'timeout_sec')) {
    fault(`timeout_sec must be a number of seconds above 0, not ${JSON.stringify(timeout)}`, { key: 'timeout_sec' })
  }
  return {
    index,
    name,
    config,
    activity,
    bindings,
    tools,
    dependsOn: [...new Set(dependsOn)].filter((root) => position.has(root)),
    readsInputsOf: new Set(paths.filter(mayReadInputs).map((path) => path.root)),
    timeoutSeconds: isTimeout ? timeout : undefined,
    options,
    runsOn: compileRunsOn(config, activity, report),
    warnings,
    usesEnvironment:
      paths.some((path) => path.root === 'env') ||
      (activity.inSandbox && bindings.some(({ parameter }) => parameter === 'env')),
    callbacks: position.has(callbacksRoot) ? [] : paths.flatMap(callbackIn),
    isListed,
    decidedBy: [],
    branch: undefined,
    loop: undefined,
    after: [],
  }
}

/** In sequential execution a branch cannot lead to an earlier step. */
const refuseWayBack = ({ branches }: Flow, position: Map<string, number>, report: Report): void => {
  for (const [name, arms] of branches) {
    for (const target of [...arms.true, ...arms.false]) {
      const at = position.get(target)
      if (at === undefined || at > (position.get(name) ?? 0)) continue
      report(`Step '${name}': it leads to '${target}', which is listed before it; steps are repeated by loop_counter`, {
        step: name,
      })
    }
  }
}

/** Sorts steps for parallel execution: each after its references, and targets after their branch. */
const sideBySide = (steps: ProgramStep[], { branches }: Flow, report: Report): ProgramStep[] => {
  const position = new Map(steps.map(({ name }, index) => [name, index]))
  for (const [name, arms] of branches) {
    for (const target of new Set([...arms.true, ...arms.false])) {
      const step = steps[position.get(target) ?? -1]
      if (step && !step.dependsOn.includes(name)) step.dependsOn.push(name)
    }
  }
  const after = steps.map(({ dependsOn }) => dependsOn.map((name) => position.get(name) ?? 0))
  const names = steps.map(({ name }) => name)
  const order = topological(names, after, report)
  const placeOf = new Map(order.map((from, to) => [from, to]))
  return order.map((from, index) => ({
    ...(steps[from] as ProgramStep),
    index,
    after: (after[from] ?? []).map((other) => placeOf.get(other) ?? 0),
  }))
}

/** Sets the branches and loops of the steps. */
const steer = (steps: ProgramStep[], { branches, loops }: Flow, indexOf: Map<string, number>): void => {
  const at = (name: string) => indexOf.get(name)
  const indices = (names: string[]) => names.flatMap((name) => at(name) ?? [])
  for (const step of steps) {
    const arms = branches.get(step.name)
    if (arms) {
      step.branch = { true: indices(arms.true), false: indices(arms.false) }
      for (const target of new Set([...step.branch.true, ...step.branch.false])) {
        steps[target]?.decidedBy.push(step.index)
      }
    }
    const group = loops.get(step.name)
    if (group) {
      const first = group.reduce((least, name) => Math.min(least, at(name) ?? step.index), step.index)
      const loop = { first, counter: step.index }
      for (let index = loop.first; index <= loop.counter; index++) {
        const repeated = steps[index]
        if (repeated) repeated.loop = loop
      }
    }
  }
}

const armHint = (branch: string, target: string, step: string): string =>
  `An arm of several steps is a list, such as ["${target}", "${step}"] in the true_step or false_step of '${branch}'. `

/** Finds reads of a step that a branch may skip, by a step that runs in any case. */
const runsOnBothWays = (step: ProgramStep, steps: ProgramStep[], indexOf: Map<string, number>): Finding[] => {
  if (step.decidedBy.length > 0) return []
  const found = new Map<string, Finding>()
  for (const { source, fallback, key, required, isLenient, missing } of step.bindings) {
    if (fallback || missing !== undefined || source.kind === 'list') continue
    for (const { root, segments, text, isOptional } of pathsOf(source)) {
      const read = steps[indexOf.get(root) ?? -1]
      const [section] = segments
      const branch = steps[read?.decidedBy.at(-1) ?? -1]
      if (!read || !branch || isOptional || section?.kind !== 'name' || section.name !== 'outputs') continue
      const fails = (required || !isLenient) && !step.options.continueOnError
      found.set(root, {
        message: `'${text}' leads to nothing when '${branch.name}' does not lead to '${root}', and this step runs in any case`,
        key,
        hint: `${armHint(branch.name, root, step.name)}Or write "${text}?" if the step does without it.`,
        isFault: fails,
      })
    }
  }
  return [...found.values()]
}

/** Maximum steps between the targets of branches that are looked at: many branches may stand around the same steps. */
const mostBetweenArms = 10_000

/** Warns of steps that stand between the targets of a branch, but belong to neither arm. */
const warnBetweenArms = ({ name, branch }: ProgramStep, steps: ProgramStep[], looks: { left: number }): void => {
  const [taken] = branch?.true ?? []
  const [other] = branch?.false ?? []
  if (!branch || taken === undefined || other === undefined || branch.true.length + branch.false.length > 2) return
  const first = steps[Math.min(taken, other)]
  for (let index = (first?.index ?? 0) + 1; index < Math.max(taken, other); index++) {
    const step = steps[index]
    if (!step || looks.left-- <= 0) return
    if (step.decidedBy.length > 0 || step.warnings.some(({ isFault }) => isFault)) continue
    step.warnings.push({
      message: `it stands between the steps that '${name}' leads to, and runs whichever way it goes`,
      hint: `${armHint(name, first?.name ?? '', step.name)}Or list this step before or after both.`,
    })
  }
}

/**
 * Finds the last readers. In a loop a reader may read again until the counter ends it. In parallel execution nothing is
 * dropped before the end.
 */
const lastReaders = (steps: ProgramStep[], indexOf: Map<string, number>, parallel: boolean): Map<number, number> => {
  const lastReader = new Map<number, number>()
  for (const step of steps) {
    for (const root of step.bindings.flatMap(readsOf).map((path) => path.root)) {
      const index = indexOf.get(root)
      if (index === undefined) continue
      const last = parallel ? steps.length : (step.loop?.counter ?? step.index)
      lastReader.set(index, Math.max(last, lastReader.get(index) ?? 0))
    }
  }
  return lastReader
}
