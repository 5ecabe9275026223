import type { ChildRuns } from '../../activities/activity.ts'
import { AppError } from '../../lib/errors.ts'
import { newTrajectoryId } from '../../lib/ids.ts'
import type { TraceSampler } from '../../lib/text/trace-context.ts'
import { now } from '../../lib/time.ts'
import { batchTask } from '../../model/runs/batch.ts'
import type { NewRun } from '../../model/runs/new-run.ts'
import { placementLabels, placementOf } from '../../model/runs/placement.ts'
import { type AskedVersion, splitTaskRef } from '../../model/version-ref.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Queries } from '../../store/database/database.ts'
import { bigint, int, orNull, queryOne, type Row, text } from '../../store/database/table.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import type { RunSecrets } from '../environment/run-secrets.ts'
import { childKey, keysAbove, traceOfStep } from '../leases/run-keys.ts'
import { joinMessages } from '../program/finding.ts'
import type { Program } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { checkModels, type ModelCheckDeps } from '../start/check-models.ts'
import { checkRunbooks, type RunbookCheckDeps } from '../start/check-runbooks.ts'
import type { StepPlace, StepRun } from '../steps/step-run.ts'
import type { Parent } from './fan-out-sql.ts'

/** The properties that all child runs of one step share. */
export interface ChildKind {
  taskId: number
  /** `collection/task`. */
  name: string
  definition: string
  /** The version that the step names; null where it names a task without one. */
  version: AskedVersion | null
  shownDefinition: string | null
  program: Program
  environmentId: number | null
  /** Secrets and lent keys of the parent; null if it has neither. */
  secrets: RunSecrets | null
  /** Labels that they ask of a server process: those of their parent and of their task. See `placementOf`. */
  placement: string | null
}

/** Dependencies for making child runs. */
export interface ChildDeps extends ModelCheckDeps, RunbookCheckDeps {
  database: Queries
  programs: Pick<Programs, 'of'>
  quota: Pick<Quota, 'require'>
  limits: ChildLimits
  openSecrets(sealed: string, runKey: string): RunSecrets
  sealSecrets(secrets: RunSecrets, runKey: string): string | null
  shownDefinition(hash: string, scrub: (jsonText: string) => string): Promise<string | null>
  drawTrajectoryId?: () => string
  traceSampler: TraceSampler | undefined
}

export interface ChildLimits {
  /** Maximum child runs of one step. */
  maxFanOut: number
  /** Maximum depth of runs that start runs. */
  maxRunDepth: number
  /** Maximum number of times that a task may appear among the ancestors of its run. */
  maxRunRecursion: number
}

const taskColumns = { id: bigint, name: text, definition: text }
type TaskOfChildren = Row<typeof taskColumns> & { version: AskedVersion | null }

/** Returns the name of a task, written as `task` or as `collection/task` with the run's own collection. */
const plainName = (run: StepRun, written: string): string => {
  const slash = written.indexOf('/')
  if (slash < 0) return written
  if (written.slice(0, slash).toLowerCase() === run.collection.toLowerCase()) return written.slice(slash + 1)
  throw new AppError('not_found', `Task '${written}' is not in collection '${run.collection}'`, {
    hint: 'A run starts runs of its own collection only: create the task there, and give its plain name.',
  })
}

const taskOfChildren = queryOne(
  'task_of_children',
  taskColumns,
  'select id, name, definition from tasks where collection_id = $1 and lower(name) = lower($2)',
  (collectionId: number, name: string) => [collectionId, name],
)

/**
 * Finds the task that a step names as `report` or `report@production`. `kept` is the version that the step has recorded:
 * its tag may have moved since.
 */
const findTask = async (
  database: Queries,
  run: StepRun,
  written: string,
  kept?: AskedVersion,
): Promise<TaskOfChildren> => {
  const { task: named, ref } = splitTaskRef(written)
  const name = plainName(run, named)
  const task = await taskOfChildren(database, run.collectionId, name)
  if (!task) {
    throw new AppError('not_found', `There is no task '${name}' in collection '${run.collection}'`, {
      hint: `Create it: POST /api/v1/tasks/${run.collection}.`,
    })
  }
  if (ref === undefined) return { ...task, version: null }
  const found = await taskAt(database, task, kept ? `~${kept.index}` : ref).catch((error) => {
    throw error instanceof AppError ? new AppError(error.code, `Task '${name}': ${error.message}`) : error
  })
  return { ...found.task, version: { ref: run.environment.scrub.text(ref), index: found.version.index } }
}

/** What the runs of a task take: its input_schema, and its own init_params. Throws `not_found`. */
export const taskInputs = async (
  { database, programs }: Pick<ChildDeps, 'database' | 'programs'>,
  run: StepRun,
  written: string,
): Promise<Pick<Program, 'inputSchema' | 'initParams'>> =>
  programs.of((await findTask(database, run, written)).definition)

const begunTaskOfChildren = queryOne(
  'begun_task_of_children',
  { ...taskColumns, params: orNull(text) },
  `select task_id as id, split_part(name, '/', 2) as name, definition, params
     from runs where parent_id = $1 and parent_seq = $2 and ($3::int is null or child_index = $3)
     order by child_index limit 1`,
  (runKey: string, seq: number, onlyIndex: number | null) => [runKey, seq, onlyIndex],
  (row): TaskOfChildren | undefined => {
    if (!row) return undefined
    const { params, ...task } = row
    const { version = null } = JSON.parse(params ?? '{}') as { version?: AskedVersion }
    return { ...task, version }
  },
)

/** Child runs that exist go on with the definition they began with, even if their task has changed since. */
const begunTask = (
  database: Queries,
  { runKey, seq }: Parent,
  { onlyIndex }: Pick<ChildRuns, 'onlyIndex'>,
): Promise<TaskOfChildren | undefined> => begunTaskOfChildren(database, runKey, seq, onlyIndex ?? null)

/**
 * Looks up what the child runs are made with; `kept` is the version of their task that the step has recorded. Throws if
 * they cannot be started; then none of them is.
 */
export const prepareChildren = async (
  deps: ChildDeps,
  run: StepRun,
  parent: Parent,
  runs: ChildRuns,
  kept?: AskedVersion,
): Promise<ChildKind> => {
  const { maxFanOut, maxRunDepth } = deps.limits
  if (run.depth >= maxRunDepth) {
    throw new AppError(
      'too_large',
      `Child runs may be nested ${maxRunDepth} levels deep, and this run is on the last level`,
      {
        hint: 'Check whether the workflow starts itself. JETTY_MAX_RUN_DEPTH sets the limit.',
      },
    )
  }
  if (runs.count > maxFanOut) {
    throw new AppError('too_large', `A step may start ${maxFanOut} runs, and there are ${runs.count} items`, {
      hint: 'Split the items over several steps or runs, or raise JETTY_MAX_FANOUT.',
    })
  }
  const begun = await begunTask(deps.database, parent, runs)
  if (!begun) await deps.quota.require(run.collectionId, runs.count)
  const task = begun ?? (await findTask(deps.database, run, runs.task, kept))
  const program = await deps.programs.of(task.definition)
  const { environment } = run
  if (!begun)
    await checkProgram(deps, run, { task, program, first: runs.count > 0 ? runs.initParams(runs.onlyIndex ?? 0) : {} })
  const stored = await parentOfChildren(deps.database, run, task.id)
  if (!begun) checkRecursion(deps.limits, task, stored?.above ?? 0)
  return {
    taskId: task.id,
    name: `${run.collection}/${task.name}`,
    definition: task.definition,
    version: task.version,
    shownDefinition: environment.isEmpty
      ? null
      : await deps.shownDefinition(task.definition, environment.scrub.jsonText),
    program,
    environmentId: stored?.environment_id ?? null,
    secrets: stored?.sealed_secrets ? deps.openSecrets(stored.sealed_secrets, run.key) : null,
    placement: placementOf([...placementLabels(stored?.runs_on), ...program.runsOn]),
  }
}

/** `above` is the number of runs of the same task among the parent and its ancestors. */
const parentOfChildren = queryOne(
  'parent_of_children',
  { environment_id: orNull(bigint), sealed_secrets: orNull(text), runs_on: orNull(text), above: int },
  `select environment_id, sealed_secrets, runs_on,
       (select count(*) from runs above where above.id = any($2::text[]) and above.task_id = $3)::int as above
     from runs where id = $1`,
  (parent: StepRun, taskId: number) => [parent.key, [parent.key, ...keysAbove(parent)], taskId],
)

const checkRecursion = ({ maxRunRecursion }: ChildLimits, { name }: TaskOfChildren, above: number): void => {
  if (above <= maxRunRecursion) return
  throw new AppError(
    'too_large',
    `Task '${name}' may start itself ${maxRunRecursion} levels deep, and this run is the last`,
    {
      hint: 'Check that the workflow stops starting itself at some point. JETTY_MAX_RUN_RECURSION sets the limit.',
    },
  )
}

const checkProgram = async (
  deps: ChildDeps,
  run: StepRun,
  child: { task: TaskOfChildren; program: Program; first: Record<string, unknown> },
): Promise<void> => {
  const { task, program, first } = child
  if (program.problems.length > 0) {
    const problems = joinMessages(program.problems, 3)
    throw new AppError('bad_request', `The workflow of task '${task.name}' cannot run: ${problems}`)
  }
  if (program.askingSteps.length + program.sandboxSteps.length === 0) return
  const initParams = { ...program.initParams, ...first }
  const { collectionId, environment } = run
  try {
    await checkModels(deps, { program, collectionId, initParams, environment })
    await checkRunbooks(deps, run, program.sandboxSteps, [initParams])
  } catch (error) {
    throw error instanceof AppError
      ? new AppError(error.code, `Task '${task.name}' cannot run: ${error.message}`, { cause: error })
      : error
  }
}

/** Makes a child run. Its key is the same whichever process writes it, and however often. */
export const childRun = (
  deps: ChildDeps,
  kind: ChildKind,
  { run, place }: { run: StepRun; place: StepPlace },
  index: number,
  initParams: Record<string, unknown>,
): NewRun => {
  const key = childKey(run.key, place.seq, index)
  const trajectoryId = (deps.drawTrajectoryId ?? newTrajectoryId)()
  const { scrub } = run.environment
  const name = `${run.collection}/${run.task}`
  const trace = run.trace === null ? undefined : traceOfStep(deps.traceSampler, run, place.seq)
  return {
    key,
    trajectoryId,
    workflowId: `${kind.name.replaceAll('/', '-')}--${trajectoryId}`,
    collectionId: run.collectionId,
    payer: run.payer,
    taskId: kind.taskId,
    name: kind.name,
    definition: kind.definition,
    shownDefinition: kind.shownDefinition,
    initParams: scrub.json({ ...kind.program.initParams, ...initParams }),
    author: run.author,
    environmentId: kind.environmentId,
    sealedSecrets: kind.secrets && deps.sealSecrets(kind.secrets, key),
    more: {
      params: JSON.stringify({
        parent: { trajectory_id: run.trajectoryId, step: place.name, index, name },
        ...(kind.version && { version: kind.version }),
        ...(run.task === batchTask && { batch: { batch_id: run.trajectoryId, index } }),
      }),
      parent_id: run.key,
      parent_seq: place.seq,
      child_index: index,
      depth: run.depth + 1,
      ...(kind.placement !== null && { runs_on: kind.placement }),
      ...(trace !== undefined && { trace_context: trace }),
      ...(run.economy !== null && { economy: run.economy }),
      ...(run.trial !== null && { trial: JSON.stringify({ ...run.trial, of: null }) }),
    },
    createdMs: now(),
  }
}
