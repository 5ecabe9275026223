import type { Activity, FindTextFaults } from '../../activities/activity.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { doInSlices } from '../../lib/slices.ts'
import { makeGuesses } from '../../lib/text/nearest.ts'
import { placementOf } from '../../model/runs/placement.ts'
import { splitTaskRef } from '../../model/version-ref.ts'
import { isWorkerActivity, type OfferedActivity } from '../../model/workers/worker.ts'
import type { ActivitySettings } from '../../model/workflows/activity-settings.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import type { Queries } from '../../store/database/database.ts'
import { query, text } from '../../store/database/table.ts'
import { countServers } from '../../store/system/placements.ts'
import { findOffer, offeredNames } from '../../store/workers/workers.ts'
import type { WorkflowHome } from '../engine.ts'
import type { Binding } from '../program/bindings.ts'
import { question, type Site } from '../program/finding.ts'
import { lintPieces, missingTaskFault, namedTasks, remarkFault, workerStepFault } from '../program/lint.ts'
import type { Program, ProgramStep } from '../program/program.ts'

/** Activities of workers that one check looks up. */
const mostLookedUp = 50
/** Maximum faults about activities of workers. */
const mostFaults = 100

/**
 * Finds steps whose activity no worker offers to a collection, and parameters that its workers do not take or that are
 * missing. They are warnings: workers come and go without a change of the workflow.
 */
const checkOffers = async (database: Queries, program: Program, collectionId: number): Promise<WorkflowFault[]> => {
  const steps = program.steps.filter(({ activity }) => isWorkerActivity(activity.name) && !activity.module)
  const names = [...new Set(steps.map(({ activity }) => activity.name))].slice(0, mostLookedUp)
  const found = await Promise.all(names.map((name) => findOffer(database, name, collectionId)))
  const offers = new Map(
    names.map((name, at) => {
      const definition = found[at]?.definition
      return [name, definition === undefined ? undefined : (JSON.parse(definition) as OfferedActivity)]
    }),
  )
  const isAnyMissing = [...offers.values()].some((offered) => offered === undefined)
  const there = isAnyMissing ? await offeredNames(database, collectionId) : []
  const guess = makeGuesses(mostLookedUp)
  const faults: WorkflowFault[] = []
  for (const step of steps) {
    const { name } = step.activity
    if (!offers.has(name)) continue
    const offered = offers.get(name)
    if (offered) faults.push(...parameterFaults(step, offered))
    else {
      const near = question(guess(name, there))
      faults.push(workerStepFault(step.name, 'activity', `no worker offers '${name}' yet: a run waits for one${near}`))
    }
    if (faults.length > mostFaults) break // they are warnings
  }
  return faults.slice(0, mostFaults)
}

const parameterFaults = (step: ProgramStep, { name, parameters }: OfferedActivity): WorkflowFault[] => {
  const { properties, required, additionalProperties } = parameters
  const known = isObject(properties) ? properties : {}
  const given = new Map(step.bindings.map((binding) => [binding.parameter, binding.key]))
  const needed = Array.isArray(required) ? required.filter((one): one is string => typeof one === 'string') : []
  const missing = needed.filter((one) => !given.has(one))
  const isClosed = additionalProperties === false
  const surplus = [...given].filter(([one]) => isClosed && one !== 'runs_on' && !Object.hasOwn(known, one))
  return [
    ...missing
      .slice(0, mostFaults)
      .map((one) => workerStepFault(step.name, one, `${one} is required, a parameter of ${name}`)),
    ...surplus
      .slice(0, mostFaults)
      .map(([one, key]) => workerStepFault(step.name, key, `${name} has no parameter '${one}'`)),
  ]
}

/** Warns of labels that no server process has together. Processes come and go without a change of the workflow. */
const checkPlacement = async (database: Queries, { steps, runsOn }: Program): Promise<WorkflowFault[]> => {
  const placement = placementOf(runsOn)
  const asking = steps.find((step) => step.runsOn.length > 0)
  if (placement === null || !asking || (await countServers(database, placement)) > 0) return []
  const message = `no server process has the labels ${runsOn.join(' and ')} now (JETTY_LABELS): a run waits for one`
  return [workerStepFault(asking.name, 'runs_on', message)]
}

/** A text in a definition that is read in a process of its own. */
interface WrittenText {
  activity: Activity
  text: string
  /** What messages call its place. */
  named: string
  site: Site
}

const textIn = (activity: Activity, bindings: readonly Binding[]): { text: string; key: string } | undefined => {
  const binding = bindings.find(({ parameter }) => parameter === activity.reads?.parameter)
  const isLiteral = binding?.source.kind === 'value' && !binding.fallback && typeof binding.source.value === 'string'
  return isLiteral ? { text: String((binding.source as { value: unknown }).value), key: binding.key } : undefined
}

const textsIn = ({ steps }: Program): WrittenText[] =>
  steps.flatMap(({ name: step, activity, bindings, tools, config }) => {
    const own = textIn(activity, bindings)
    const written = Array.isArray(config.tools) ? config.tools : []
    const ofTools = tools.flatMap((tool): WrittenText[] => {
      const found = tool.activity && textIn(tool.activity, tool.bindings)
      if (!found) return []
      const at = written.findIndex(({ name, activity: of }) => (name ?? of) === tool.name)
      const site = { step, key: ['tools', String(at), 'config', found.key] }
      return [
        { activity: tool.activity as Activity, text: found.text, named: `Step '${step}': tool '${tool.name}': `, site },
      ]
    })
    return own
      ? [{ activity, text: own.text, named: `Step '${step}': `, site: { step, key: own.key } }, ...ofTools]
      : ofTools
  })

/** Maximum faults about texts: of more, their number is told. */
const mostTextFaults = 100

/** Finds the faults of texts that are read in a process of their own, such as expressions. */
const textFaults = async (
  program: Program,
  home: WorkflowHome,
  settings: ActivitySettings,
): Promise<WorkflowFault[]> => {
  const texts = textsIn(program)
  const kinds = [...new Set(texts.map(({ activity }) => activity.reads))]
  const found = await Promise.all(
    kinds.map(async (reads) => {
      const ofKind = texts.filter(({ activity }) => activity.reads === reads)
      const scope = { owner: { payer: home.payer, collectionId: home.id }, settings }
      const known = await reads?.findFaults([...new Set(ofKind.map(({ text }) => text))], scope)
      return known ? ofKind.flatMap((one) => textFault(one, known, settings)) : []
    }),
  )
  const faults = found.flat()
  const more = faults.slice(mostTextFaults)
  if (more.length === 0) return faults
  const severity = more.some((fault) => fault.severity === 'error') ? 'error' : 'warning'
  const message = `The same is true of ${more.length} more steps`
  return [...faults.slice(0, mostTextFaults), remarkFault(severity, { message })]
}

const textFault = (
  { text, named, site, activity }: WrittenText,
  { faults, unread }: Awaited<ReturnType<FindTextFaults>>,
  { checkSeconds }: ActivitySettings,
): WorkflowFault[] => {
  const parameter = `${named}parameter '${activity.reads?.parameter}'`
  const fault = faults.get(text)
  if (fault !== undefined) {
    return [remarkFault('error', { ...site, message: `${parameter} of ${activity.name} is not valid: ${fault}` })]
  }
  if (!unread.has(text)) return []
  const message = `${parameter} was not checked: reading the expressions of the definition takes longer than ${checkSeconds} s`
  return [remarkFault('warning', { ...site, message, hint: 'Make it shorter, or raise JETTY_CHECK_SECONDS.' })]
}

/** Maximum task names compared with a misspelt one. */
const mostTasksToGuess = 500
/** Maximum faults about tasks that are not there. */
const mostMissingTasks = 100

const taskNames = query(
  'first_task_names',
  { name: text },
  'select name from tasks where collection_id = $1 limit $2',
  (collectionId: number, most: number) => [collectionId, most],
)

const tasksNamed = query(
  'named_tasks',
  { name: text },
  'select lower(name) as name from tasks where collection_id = $1 and lower(name) = any($2)',
  (collectionId: number, names: string[]) => [collectionId, names],
)

/** Finds faults that would fail a run, including child tasks that its collection lacks. */
export const checkWorkflow = async (
  database: Queries,
  workflow: Workflow,
  program: Program,
  home: WorkflowHome,
  settings: ActivitySettings,
): Promise<WorkflowFault[]> => {
  const faults = [
    ...(await doInSlices(lintPieces(workflow, program), home.name)),
    ...(await textFaults(program, home, settings)),
    ...(await checkOffers(database, program, home.id)),
    ...(await checkPlacement(database, program)),
  ]
  const plain = (written: string) => {
    const { task } = splitTaskRef(written)
    return task.startsWith(`${home.name}/`) ? task.slice(home.name.length + 1) : task
  }
  const named = namedTasks(program).map((one) => ({ ...one, task: plain(one.task) }))
  if (named.length === 0) return faults
  const there = await tasksNamed(
    database,
    home.id,
    named.map(({ task }) => task.toLowerCase()),
  )
  const isThere = new Set([...there.map(({ name }) => name), home.task?.toLowerCase()])
  const missing = named.filter(({ task }) => !isThere.has(task.toLowerCase()))
  if (missing.length === 0) return faults
  const names = await taskNames(database, home.id, mostTasksToGuess)
  const guess = makeGuesses(mostMissingTasks)
  const known = names.map(({ name }) => name)
  const more = missing.length - mostMissingTasks
  return [
    ...faults,
    ...missing.slice(0, mostMissingTasks).map((one) => missingTaskFault(one, guess(one.task, known))),
    ...(more > 0 ? [remarkFault('error', { message: `${more} more steps name tasks that are not there` })] : []),
  ]
}
