import { contract } from '../api/contract.ts'
import type { AccessLevelName } from '../model/collections/identity.ts'
import type { OperationName, Tool } from './tool.ts'
import { approvalTools } from './tools/approvals.ts'
import { collectionTools } from './tools/collections.ts'
import { datasetTools } from './tools/datasets.ts'
import { eventTools } from './tools/events.ts'
import { fileTools } from './tools/files.ts'
import { routineTools } from './tools/routines.ts'
import { runTools } from './tools/runs.ts'
import { startTools } from './tools/starts.ts'
import { stepTools } from './tools/steps.ts'
import { taskTools } from './tools/tasks.ts'

/** All tools, in the order in which a client lists them. */
const allTools: readonly Tool[] = [
  ...collectionTools,
  ...taskTools,
  ...startTools,
  ...runTools,
  ...stepTools,
  ...fileTools,
  ...datasetTools,
  ...approvalTools,
  ...eventTools,
  ...routineTools,
]

const writes = (operation: OperationName): boolean => ['write', 'worker', 'admin'].includes(contract[operation].access)

/** Whether a tool changes nothing: no operation that it calls does. */
export const readsOnly = (tool: Tool): boolean => !tool.operations.some(writes)

/** The tools of a caller. READ keys see those that only read; the API checks every call once more. */
export const toolsFor = (access: AccessLevelName | undefined, folder: string | undefined): Tool[] =>
  allTools.filter((tool) => (access !== 'READ' || readsOnly(tool)) && (folder !== undefined || !tool.needsFolder))
