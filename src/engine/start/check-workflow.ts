import type { Queries } from '../../database/database.ts'
import { nearest } from '../../lib/text/nearest.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import type { WorkflowHome } from '../engine.ts'
import { lintWorkflow, missingTaskFault, namedTasks } from '../program/lint.ts'
import type { Program } from '../program/program.ts'
import { checkOffers } from './check-offers.ts'
import { checkPlacement } from './check-placement.ts'

/** Maximum task names compared with a misspelt one. */
const mostTasksToGuess = 500

/** Finds faults that would fail a run, including child tasks that its collection lacks. */
export const checkWorkflow = async (
  database: Queries,
  workflow: Workflow,
  program: Program,
  home: WorkflowHome,
): Promise<WorkflowFault[]> => {
  const faults = [
    ...lintWorkflow(workflow, program),
    ...(await checkOffers(database, program, home.id)),
    ...(await checkPlacement(database, program)),
  ]
  const plain = (task: string) => (task.startsWith(`${home.name}/`) ? task.slice(home.name.length + 1) : task)
  const named = namedTasks(program).map((one) => ({ ...one, task: plain(one.task) }))
  if (named.length === 0) return faults
  const there = await database.rows<{ name: string }>(
    'named_tasks',
    'select lower(name) as name from tasks where collection_id = $1 and lower(name) = any($2)',
    [home.id, named.map(({ task }) => task.toLowerCase())],
  )
  const isThere = new Set([...there.map(({ name }) => name), home.task?.toLowerCase()])
  const missing = named.filter(({ task }) => !isThere.has(task.toLowerCase()))
  if (missing.length === 0) return faults
  const names = await database.rows<{ name: string }>(
    'task_names',
    'select name from tasks where collection_id = $1 limit $2',
    [home.id, mostTasksToGuess],
  )
  return [
    ...faults,
    ...missing.map((one) =>
      missingTaskFault(
        one,
        nearest(
          one.task,
          names.map(({ name }) => name),
        ),
      ),
    ),
  ]
}
