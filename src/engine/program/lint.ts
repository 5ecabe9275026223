import { isObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import { doAtOnce, type Pieces } from '../../lib/slices.ts'
import { type Guess, makeGuesses } from '../../lib/text/nearest.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import { type Binding, neededReadsOf, parameterIssues, readsOf, requiredOf } from './bindings.ts'
import { type Finding, question } from './finding.ts'
import { schemaRemarks } from './input-schema.ts'
import { type ReadBounds, type ReadRemark, unknownOutput } from './output-reads.ts'
import type { Path } from './paths.ts'
import type { Program, ProgramStep } from './program.ts'

/** Maximum number of reported faults. */
const mostFaults = 200
const mostGuesses = 100
/** Maximum schemas that paths into structured outputs are compared with: some 50 ms. */
const mostSchemaVisits = 300_000

/** Members of a workflow that the server uses, and known ones for people and other tools. */
const usedMembers = ['init_params', 'step_configs', 'steps', 'execution', 'input_schema']
const knownMembers = new Set([
  ...usedMembers,
  ...['name', 'description', 'version', 'metadata', 'author', 'tags', 'title', 'notes', 'comment', '$schema'],
])

/** A child task that a step names literally. */
interface NamedTask {
  step: string
  key: string
  task: string
}

/** Finds faults at once, as `lintPieces` does. */
export const lintWorkflow = (workflow: Workflow, program: Program): WorkflowFault[] =>
  doAtOnce(lintPieces(workflow, program))

/**
 * Finds faults that would fail a run: compiler problems, missing or invalid parameters, outputs that no activity has,
 * and unused members. Of many the first are listed, and the last one says how many more there are.
 */
export function* lintPieces(workflow: Workflow, program: Program): Pieces<WorkflowFault[]> {
  const guess = makeGuesses(mostGuesses)
  const bounds = { guess, visits: { left: mostSchemaVisits } }
  const parameters = Object.keys(program.initParams)
  const { add, listed } = makeList()
  if (workflow.steps === undefined)
    add('error', [{ message: 'The workflow has no steps, a list of step names', hint: unusedHint }])
  const unknown = Object.keys(workflow).filter((key) => !knownMembers.has(key))
  add('error', unknown, (key) => unknownMember(key, guess))
  add('error', wrongMembers(workflow))
  yield
  add('warning', yield* schemaRemarks(workflow, program))
  yield
  add('error', program.problems)
  add('warning', unusedSteps(workflow, program))
  for (const step of program.steps) {
    yield
    const own = (remark: Finding) => inStep(step, remark)
    const wrong = yield* wrongValues(step, guess)
    add('error', [...missingParameters(step), ...wrong], own)
    if (wrong.length === 0) add('error', wrongTogether(step), own)
    for (const binding of step.bindings) {
      yield
      for (const { fails, ...remark } of unknownReads(binding, program, parameters, bounds)) {
        add(fails ? 'error' : 'warning', [remark], own)
      }
    }
    add('warning', step.warnings, own)
  }
  return listed()
}

/** Collects faults: the first ones, and the number of the rest. */
const makeList = () => {
  const faults: WorkflowFault[] = []
  const more = { error: 0, warning: 0 }
  return {
    /** Adds findings; `findingOf` makes those that are listed. */
    add<Found>(
      severity: WorkflowFault['severity'],
      all: readonly Found[],
      findingOf: (found: Found) => Finding = (found) => found as Finding,
    ) {
      for (const found of all) {
        const own = (found as Partial<Finding>).isFault ? 'error' : severity
        if (faults.length < mostFaults) faults.push(remarkFault(own, findingOf(found)))
        else more[own]++
      }
    },
    listed(): WorkflowFault[] {
      if (more.error + more.warning === 0) return faults
      const message = `There are ${more.error} more errors and ${more.warning} more warnings`
      return [...faults, remarkFault(more.error > 0 ? 'error' : 'warning', { message })]
    },
  }
}

/** Tasks that steps start, as far as the workflow names them literally. */
export const namedTasks = (program: Program): NamedTask[] =>
  program.steps.flatMap(({ name: step, activity, bindings, tools }) => [
    ...bindings.flatMap(({ parameter, key, source, fallback }) =>
      parameter === activity.startsTask && source.kind === 'value' && typeof source.value === 'string' && !fallback
        ? [{ step, key, task: source.value }]
        : [],
    ),
    ...tools.flatMap(({ task }) => (task === undefined ? [] : [{ step, key: 'tools', task }])),
  ])

/** Fault of a step that starts a task its collection does not have. */
export const missingTaskFault = ({ step, key, task }: NamedTask, meant: string | undefined): WorkflowFault =>
  remarkFault('error', {
    message: `Step '${step}': there is no task '${task}' in this collection${question(meant)}`,
    step,
    key,
    meant,
  })

/** Fault of a step whose script cannot run on this server. */
export const sandboxFault = (
  step: string,
  { message, hint }: { message: string; hint?: string | undefined },
): WorkflowFault => remarkFault('error', { message: `Step '${step}': ${message}`, step, key: 'activity', hint })

/** Warning about who carries out a step. */
export const workerStepFault = (step: string, key: string, message: string): WorkflowFault =>
  remarkFault('warning', { message: `Step '${step}': ${message}`, step, key })

/** A finding of the compiler as the API shows it. */
export const remarkFault = (
  severity: WorkflowFault['severity'],
  { message, step, key = [], inside = [], meant, hint }: Finding,
): WorkflowFault => {
  const place = [...(step === undefined ? [] : ['step_configs', step]), ...(typeof key === 'string' ? [key] : key)]
  return {
    severity,
    step: step ?? null,
    field: ['workflow', ...place].join('.'),
    pointer: jsonPointer([...place, ...inside]),
    message,
    hint: hint ?? null,
    did_you_mean: meant ?? null,
  }
}

const inStep = ({ name }: ProgramStep, { message, ...site }: Finding): Finding => ({
  message: `Step '${name}': ${message}`,
  step: name,
  ...site,
})

const unusedHint = `A workflow's members are ${usedMembers.join(', ')}.`

const unknownMember = (key: string, guess: Guess): Finding => {
  const meant = guess(key, usedMembers)
  return { message: `The workflow's member '${key}' is not used${question(meant)}`, key, meant, hint: unusedHint }
}

/** Members whose value the server ignores, since older definitions may hold anything there. */
const wrongMembers = ({ execution }: Workflow): Finding[] =>
  isObject(execution) ? [{ message: 'execution must be "sequential" or "parallel"', key: 'execution' }] : []

/** Step configs that no list or branch refers to. */
const unusedSteps = ({ step_configs: configs = {}, steps = [] }: Workflow, program: Program): Finding[] => {
  const listed = new Set(steps)
  return Object.keys(configs)
    .filter((name) => !listed.has(name) && !program.indexOf.has(name))
    .map((step) => ({
      message: `Step '${step}' never runs: neither steps nor a branch names it`,
      step,
      hint: 'List it in steps, or delete its config.',
    }))
}

const missingParameters = ({ activity, bindings }: ProgramStep): Finding[] => {
  const given = new Set(bindings.map(({ parameter }) => parameter))
  const startsTask = activity.startsTask !== undefined && !given.has('task_reference') ? [activity.startsTask] : []
  return [...new Set([...requiredOf(activity), ...startsTask])]
    .filter((name) => !given.has(name))
    .map((name) => ({
      message: `parameter '${name}' of ${activity.name} is required`,
      hint: `Set ${name}, or ${name}_path to a path such as init_params.${name}.`,
    }))
}

/** Literal values, or parts of a value, that the activity would refuse. */
function* wrongValues({ activity, bindings }: ProgramStep, guess: Guess): Pieces<Finding[]> {
  const found: Finding[] = []
  for (const { fallback, ...binding } of bindings) {
    const areTools = activity.offersTools && binding.parameter === 'tools' // they were checked one by one
    if (!fallback && !areTools) found.push(...parameterIssues(activity, binding, guess))
    yield
  }
  return found
}

/** Faults of several parameters together; their values are valid one by one. */
const wrongTogether = ({ activity, bindings }: ProgramStep): Finding[] => {
  const given = new Map(bindings.map((binding) => [binding.parameter, binding]))
  const literal = bindings.flatMap(({ parameter, source, fallback }): [string, unknown][] =>
    source.kind === 'value' && source.value !== null && source.value !== undefined && !fallback
      ? [[parameter, source.value]]
      : [],
  )
  const isNull = (name: string) => {
    const source = given.get(name)?.source
    return source?.kind === 'value' && (source.value === null || source.value === undefined)
  }
  const has = (name: string) => given.has(name) && !isNull(name)
  const faults = activity.findFaults?.({ literal: Object.fromEntries(literal), has }) ?? []
  return faults.map(({ parameter, message, hint }) => ({
    message,
    key: given.get(parameter)?.key ?? parameter,
    ...(hint === undefined ? {} : { hint }),
  }))
}

/** References to an undeclared output, or to a probably misspelt parameter. */
const unknownReads = (
  binding: Binding,
  program: Program,
  parameters: readonly string[],
  bounds: ReadBounds,
): (Finding & { fails: boolean })[] => {
  const needed = new Set(neededReadsOf(binding))
  return readsOf(binding).flatMap((path) => {
    const found =
      path.root === 'init_params'
        ? misspeltParameter(path, program, parameters, bounds.guess)
        : unknownOutput(path, program, bounds)
    if (found === undefined) return []
    const { isCertain, ...remark } = found
    return [{ key: binding.key, ...remark, fails: isCertain && needed.has(path) }]
  })
}

/** Runs may have parameters that the workflow does not list: only a name that nearly matches one is a fault. */
const misspeltParameter = (
  { segments: [first], text }: Path,
  { initParams }: Program,
  parameters: readonly string[],
  guess: Guess,
): ReadRemark | undefined => {
  if (first?.kind !== 'name' || Object.hasOwn(initParams, first.name)) return undefined
  const meant = guess(first.name, parameters)
  if (meant === undefined || !isObject(initParams)) return undefined
  return { message: `'${text}' is not in init_params${question(meant)}`, meant, isCertain: true }
}
