import { hasOpenOutputs } from '../../activities/activity.ts'
import { AppError, invalidField, toAppError } from '../../lib/errors.ts'
import { newRunKey } from '../../lib/ids.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { schemaPaths } from '../../lib/json-schema/schema-path.ts'
import { type CheckScript, languageNames, type ScriptLanguage } from '../../model/scripts/script-run.ts'
import type { ActivitySettings } from '../../model/workflows/activity-settings.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import {
  type CheckedStep,
  mostCheckedSteps,
  mostStructuredOutputs,
  type ParameterOrigin,
  type WorkflowOutline,
} from '../../model/workflows/workflow-check.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import type { Queries } from '../../store/database/database.ts'
import type { AwaitedWork, DatabaseWatch } from '../../store/database/watch.ts'
import type { Engine, PinnedOutputs, PlannedRuns, StartedRun } from '../engine.ts'
import type { Binding } from '../program/bindings.ts'
import { joinMessages } from '../program/finding.ts'
import { requireInputs } from '../program/input-schema.ts'
import { sandboxFault } from '../program/lint.ts'
import { outputSchemaOf } from '../program/output-reads.ts'
import type { Path } from '../program/paths.ts'
import type { Program, ProgramStep } from '../program/program.ts'
import { type Programs, parametersOf } from '../program/programs.ts'
import { callbackIn, type Source } from '../program/source.ts'
import { refusalOf } from '../runs/refusal.ts'
import { checkModelsOfAll } from './check-models.ts'
import { checkRunbooks } from './check-runbooks.ts'
import { checkWorkflow } from './check-workflow.ts'
import { planRerun } from './rerun.ts'
import { type CheckDeps, checkStart, type Starter, startRun } from './start.ts'
import { planTrial } from './trial.ts'

type Pinned = Readonly<Record<string, Record<string, unknown>>>

/** Replaces steps by their pinned outputs. They come first, so that every other step may refer to them. */
const withPinned = (workflow: Workflow, pinned: Pinned): Workflow => {
  const isPinned = (name: unknown) => typeof name === 'string' && Object.hasOwn(pinned, name)
  const others = Object.entries(workflow.step_configs ?? {}).map(([name, config]) => [
    name,
    isObject(config) && config.activity === 'loop_counter' && Array.isArray(config.steps)
      ? { ...config, steps: config.steps.filter((step) => !isPinned(step)) }
      : config,
  ])
  const replaced = Object.entries(pinned).map(([name, outputs]) => [name, { activity: 'pinned_outputs', outputs }])
  return {
    ...workflow,
    step_configs: Object.fromEntries([...others, ...replaced]),
    steps: [...Object.keys(pinned), ...(workflow.steps ?? []).filter((name) => !isPinned(name))],
  }
}

/**
 * Cuts a workflow down to one step and the steps that it depends on, directly or not. `program` is the compiled
 * workflow. Throws a 422 when there is no such step.
 */
const partialWorkflow = (workflow: Workflow, program: Program, wanted: string): Workflow => {
  const target = program.steps[program.indexOf.get(wanted) ?? -1]
  if (!target) throw noStep(wanted, program)
  const needed = neededSteps(program, target)
  const isNeeded = (name: unknown) => typeof name === 'string' && needed.has(program.indexOf.get(name) ?? -1)
  const steps = program.steps.filter(({ index }) => needed.has(index))
  const isChosenByBranch = ({ isListed, decidedBy }: ProgramStep) =>
    !isListed && decidedBy.some((branch) => needed.has(branch))
  const { init_params, execution } = workflow
  return {
    ...(init_params && { init_params }),
    ...(execution === undefined ? {} : { execution }),
    step_configs: Object.fromEntries(steps.map((step) => [step.name, cutConfig(step, isNeeded, wanted)])),
    steps: steps.filter((step) => step === target || !isChosenByBranch(step)).map(({ name }) => name),
  }
}

/** Indices of the step and of all steps that it depends on. A counter needs the whole loop that it repeats. */
const neededSteps = ({ steps, indexOf }: Program, target: ProgramStep): Set<number> => {
  const needed = new Set<number>()
  const open = [target]
  for (let step = open.pop(); step; step = open.pop()) {
    if (needed.has(step.index)) continue
    needed.add(step.index)
    const dependencies = step.dependsOn.map((name) => indexOf.get(name) ?? -1)
    const repeated = step.loop?.counter === step.index ? steps.slice(step.loop.first, step.index) : []
    const branches = step === target ? [] : step.decidedBy
    for (const index of [...dependencies, ...branches, ...repeated.map((one) => one.index)]) {
      const other = steps[index]
      if (other) open.push(other)
    }
  }
  return needed
}

const cutConfig = (
  { config, branch, loop, index }: ProgramStep,
  isNeeded: (name: unknown) => boolean,
  wanted: string,
): Record<string, unknown> => {
  const { depends_on, ...rest } = config
  const kept = Array.isArray(depends_on) ? { depends_on: depends_on.filter(isNeeded) } : {}
  const arms = ['true_step', 'false_step'].flatMap((key) => {
    const names = [rest[key] ?? []].flat()
    const needed = names.filter((name) => name !== wanted && isNeeded(name))
    return needed.length === names.length ? [] : [[key, needed.length > 0 ? needed : null]]
  })
  const cut = branch ? Object.fromEntries(arms) : {}
  const repeated = loop?.counter === index && Array.isArray(rest.steps) ? { steps: rest.steps.filter(isNeeded) } : {}
  return { ...rest, ...kept, ...cut, ...repeated }
}

const noStep = (wanted: string, { steps }: Program) =>
  invalidField(
    ['body', 'step'],
    `The workflow has no step '${wanted}' that can be executed; it has ${
      steps
        .slice(0, 10)
        .map(({ name }) => `'${name}'`)
        .join(', ') || 'none'
    }`,
  )

/** Throws a 422 when outputs are pinned for a name that the workflow does not have. */
const requirePinnable = ({ steps = [], step_configs: configs = {} }: Workflow, pinned: Pinned): void => {
  for (const name of Object.keys(pinned)) {
    if (steps.includes(name) || isObject(configs[name])) continue
    throw invalidField(['body', 'outputs', name], `Outputs are pinned for '${name}', which is no step of the workflow`)
  }
}

const mostOrigins = 50
const shownCharacters = 200

/** Describes a compiled workflow: its steps, how they follow one another, and where their parameters come from. */
export const outlineOf = (workflow: Workflow, program: Program): WorkflowOutline => {
  const broken = brokenSteps(workflow, program)
  const shown = program.steps.slice(0, mostCheckedSteps)
  return {
    execution: program.isParallel ? 'parallel' : 'sequential',
    steps: [...shown.map((step) => checkedStep(step, program)), ...broken.slice(0, mostCheckedSteps - shown.length)],
    steps_total: program.steps.length + broken.length,
    bindings: Object.fromEntries(
      shown.map(({ name, bindings }) => [
        name,
        Object.fromEntries(bindings.map((binding) => [binding.parameter, originsOf(binding)])),
      ]),
    ),
  }
}

const checkedStep = (step: ProgramStep, { steps }: Program): CheckedStep => {
  const nameAt = (index: number): string => steps[index]?.name ?? ''
  const trueSteps = step.branch?.true.map(nameAt) ?? []
  const falseSteps = step.branch?.false.map(nameAt) ?? []
  const branch = {
    ...{ true: trueSteps[0] ?? null, false: falseSteps[0] ?? null },
    ...{ true_steps: trueSteps, false_steps: falseSteps },
  }
  return {
    name: step.name,
    activity: step.activity.name,
    is_listed: step.isListed,
    depends_on: step.dependsOn,
    after: step.after.map(nameAt),
    decided_by: step.decidedBy.map(nameAt),
    branch: step.branch ? branch : null,
    loop: step.loop ? { first: nameAt(step.loop.first), counter: nameAt(step.loop.counter) } : null,
    structured_outputs: structuredOutputs(step),
  }
}

/**
 * Paths into the outputs that a step has by its `output_schema`. A member that is no output of its own is read from the
 * output that has the whole value.
 */
const structuredOutputs = (step: ProgramStep): CheckedStep['structured_outputs'] => {
  const schema = outputSchemaOf(step)
  if (schema === undefined) return []
  const { activity } = step
  const isOutput = (path: string) => {
    const name = /^\.([\w-]+)/.exec(path)?.[1]
    return name !== undefined && hasOpenOutputs(activity) && !Object.hasOwn(activity.outputs.shape, name)
  }
  return schemaPaths(schema, mostStructuredOutputs).map(({ path, type }) => ({
    path: `outputs${isOutput(path) ? '' : `.${activity.structuredOutput}`}${path}`,
    type,
  }))
}

/** Listed steps that did not compile, so that an editor can still show them. */
const brokenSteps = ({ steps = [], step_configs: configs = {} }: Workflow, { indexOf }: Program): CheckedStep[] =>
  [...new Set(steps)]
    .filter((name) => !indexOf.has(name))
    .map((name) => {
      const written = Object.hasOwn(configs, name) ? configs[name]?.activity : undefined
      return {
        name,
        activity: typeof written === 'string' ? written : null,
        is_listed: true,
        depends_on: [],
        after: [],
        decided_by: [],
        branch: null,
        loop: null,
        structured_outputs: [],
      }
    })

const originsOf = ({ source, fallback }: Binding): ParameterOrigin[] =>
  [...originsIn(source), ...(fallback ? originsIn(fallback) : [])].slice(0, mostOrigins)

const originsIn = (source: Source): ParameterOrigin[] => {
  switch (source.kind) {
    case 'path':
      return [pathOrigin(source.path)]
    case 'text': {
      const written = source.parts.map((part) => (typeof part === 'string' ? part : `{{${part.text}}}`)).join('')
      const paths = source.parts.filter((part): part is Path => typeof part !== 'string')
      return [{ kind: 'template', text: clip(written), step: null }, ...paths.map(pathOrigin)]
    }
    case 'list':
      return source.items.slice(0, mostOrigins).flatMap(originsIn)
    case 'object':
      return source.entries.slice(0, mostOrigins).flatMap(([, item]) => originsIn(item))
    case 'default':
      return [...originsIn(source.source), ...originsIn(source.otherwise)]
    default:
      return source.value === undefined ? [] : [{ kind: 'literal', text: shownValue(source.value), step: null }]
  }
}

const pathOrigin = (path: Path): ParameterOrigin => {
  const text = clip(path.text)
  if (callbackIn(path).length > 0) return { kind: 'env', text, step: null }
  const { root } = path
  return root === 'init_params' || root === 'env'
    ? { kind: root, text, step: null }
    : { kind: 'step', text, step: root }
}

const shownValue = (value: unknown): string => clip(typeof value === 'string' ? value : JSON.stringify(value))

const clip = (text: string): string => (text.length > shownCharacters ? `${text.slice(0, shownCharacters - 1)}…` : text)

/** Tells whether a step can call a model: itself, in a runbook, or in a child run. */
const mayAskModels = ({ activity }: ProgramStep): boolean =>
  activity.asks !== undefined || activity.carriesOut !== undefined || activity.startsTask !== undefined

/** Comparisons of parameters with the input schema: of all runs together, two seconds in pieces, and more for each. */
const comparisonsOfAll = 2_000_000
const comparisonsOfEach = 1_000

/**
 * Checks runs before anything of them is stored or paid for. Throws `invalid` when their workflow cannot run. When one
 * cannot be served, throws the reason with item and step, or returns it if it is to be recorded.
 */
const preflight = async (
  deps: CheckDeps,
  { collection, task, secrets, lent = [], runs, unservable }: PlannedRuns,
): Promise<AppError | undefined> => {
  deps.pauses.require(collection.id)
  const program = await deps.programs.of(task.definition)
  if (program.problems.length > 0) {
    throw new AppError('invalid', `Task '${task.name}' cannot run: ${joinMessages(program.problems)}`, {
      hint: 'Correct its workflow first.',
    })
  }
  const budget = { left: comparisonsOfAll + runs.length * comparisonsOfEach }
  for (const [index, initParams] of runs.entries()) {
    await requireInputs(
      program,
      { ...program.initParams, ...initParams },
      runs.length > 1 ? ['body', 'items', index] : undefined,
      budget,
    )
  }
  if (program.askingSteps.length + program.sandboxSteps.length === 0) return undefined
  const key = newRunKey()
  const environment = await deps.environments.of(
    collection.environmentId,
    deps.sealSecrets({ secrets, lent }, key),
    key,
  )
  const run = { program, collectionId: collection.id, environment }
  return refusalOf(unservable, async () => {
    await checkModelsOfAll(deps, run, runs)
    const merged = runs.map((initParams) => ({ ...program.initParams, ...initParams }))
    await checkRunbooks(deps, run, program.sandboxSteps, merged)
  })
}

/** The language that a script names literally. */
const languageOf = ({ bindings }: ProgramStep): ScriptLanguage | undefined => {
  const source = bindings.find(({ parameter }) => parameter === 'language')?.source
  if (source?.kind !== 'value' || typeof source.value !== 'string') return undefined
  return Object.hasOwn(languageNames, source.value)
    ? languageNames[source.value as keyof typeof languageNames]
    : undefined
}

/** Finds the scripts that cannot run here, for want of a sandbox or of their language. Each language is tried once. */
const scriptFaults = async (checkScript: CheckScript, program: Program): Promise<WorkflowFault[]> => {
  const found = new Map<ScriptLanguage | undefined, ReturnType<typeof toAppError> | undefined>()
  const faults: WorkflowFault[] = []
  for (const step of program.steps.filter(({ activity }) => activity.inSandbox)) {
    const language = languageOf(step)
    if (!found.has(language)) {
      const error = await checkScript({ ...(language && { language }) }).then(() => undefined, toAppError)
      found.set(language, error)
    }
    const error = found.get(language)
    if (error) faults.push(sandboxFault(step.name, error))
  }
  return faults
}

const mostNamed = 10

/** Plans the execution of one step of a workflow. See `Engine.planTry`. */
const planTry = async (
  { compile }: Pick<Programs, 'compile'>,
  workflow: Workflow,
  { step, outputs }: { step: string; outputs: PinnedOutputs },
): Promise<Workflow> => {
  requirePinnable(workflow, outputs)
  const pinned = withPinned(workflow, outputs)
  const partial = partialWorkflow(pinned, await compile(pinned), step)
  const { problems } = await compile(partial)
  if (problems.length === 0) return partial
  throw new AppError('invalid', `Step '${step}' cannot be tried: ${joinMessages(problems, mostNamed)}`, {
    hint: 'Fix these steps, or pin the outputs of those that it reads.',
  })
}

interface StartsDeps extends Starter {
  programs: Programs
  /** Connections of requests: their queries fail while Postgres is away. */
  requestDatabase: Queries
  activitySettings: ActivitySettings
  /** Fails at once while the database takes no writes. */
  watch: Pick<DatabaseWatch, 'whileUp'>
}

/** The part of the engine that starts runs, and checks them before. */
export interface Starts
  extends Pick<
    Engine,
    | 'start'
    | 'checkStart'
    | 'planRerun'
    | 'planTrial'
    | 'settled'
    | 'preflight'
    | 'mayAskModels'
    | 'parametersOf'
    | 'problems'
    | 'check'
    | 'planTry'
  > {
  /** Runs accepted so far. */
  readonly accepted: number
}

export const makeStarts = (deps: StartsDeps): Starts => {
  const { requestDatabase, programs, watch } = deps
  const underWay = new Set<Promise<StartedRun>>()
  let accepted = 0
  return {
    get accepted() {
      return accepted
    },
    async start(request) {
      const start = watch.whileUp((attempt: AwaitedWork) => startRun(deps, request, attempt))
      underWay.add(start)
      try {
        const run = await start
        accepted++
        return run
      } finally {
        underWay.delete(start)
      }
    },
    checkStart: (request) => watch.whileUp(() => checkStart(deps, request)),
    planRerun: (wanted) => watch.whileUp(() => planRerun(requestDatabase, programs, wanted)),
    planTrial: (wanted) => watch.whileUp(() => planTrial(requestDatabase, programs, wanted)),
    settled: async () => void (await Promise.allSettled(underWay)),
    preflight: (planned) => watch.whileUp(() => preflight(deps, planned)),
    mayAskModels: async (definition) => (await programs.of(definition)).steps.some(mayAskModels),
    parametersOf: async (definition) => parametersOf(await programs.of(definition)),
    problems: async (workflow) => (await programs.compile(workflow)).problems.map(({ message }) => message),
    planTry: (workflow, wanted) => planTry(programs, workflow, wanted),
    async check(workflow, home) {
      const program = await programs.compile(workflow)
      const faults = await checkWorkflow(requestDatabase, workflow, program, home, deps.activitySettings)
      faults.push(...(await scriptFaults(deps.checkScript, program)))
      return { faults, outline: () => outlineOf(workflow, program) }
    },
  }
}
