import { placementOf } from '../../model/runs/placement.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import type { Queries } from '../../store/database/database.ts'
import { countServers } from '../../store/system/placements.ts'
import { workerStepFault } from '../program/lint.ts'
import type { Program } from '../program/program.ts'

/** Warns of labels that no server process has together. Processes come and go without a change of the workflow. */
export const checkPlacement = async (database: Queries, { steps, runsOn }: Program): Promise<WorkflowFault[]> => {
  const placement = placementOf(runsOn)
  const asking = steps.find((step) => step.runsOn.length > 0)
  if (placement === null || !asking || (await countServers(database, placement)) > 0) return []
  const message = `no server process has the labels ${runsOn.join(' and ')} now (JETTY_LABELS): a run waits for one`
  return [workerStepFault(asking.name, 'runs_on', message)]
}
