import { agentsContract } from './agents/contract.ts'
import { approvalsContract } from './approvals/contract.ts'
import { auditContract } from './audit/contract.ts'
import { batchesContract } from './batches/contract.ts'
import { bulkActionsContract } from './bulk-actions/contract.ts'
import { collectionRunsContract } from './collection-runs/contract.ts'
import { collectionsContract } from './collections/contract.ts'
import { connectedAccountsContract } from './connected-accounts/contract.ts'
import { croissantContract } from './croissant/contract.ts'
import { datasetResultsContract } from './dataset-results/contract.ts'
import { datasetsContract } from './datasets/contract.ts'
import { demoContract } from './demo/contract.ts'
import { diffContract } from './diff/contract.ts'
import { docsContract } from './docs/contract.ts'
import { entityRelationshipsContract } from './entity-relationships/contract.ts'
import { environmentContract } from './environment/contract.ts'
import { evaluationsContract } from './evaluations/contract.ts'
import { eventsContract } from './events/contract.ts'
import { filesContract } from './files/contract.ts'
import { gatewayContract } from './gateway/contract.ts'
import { healthContract } from './health/contract.ts'
import { ingestContract } from './ingest/contract.ts'
import { itemsContract } from './items/contract.ts'
import { jobFilesContract } from './job-files/contract.ts'
import { keysContract } from './keys/contract.ts'
import { labelsContract } from './labels/contract.ts'
import { lineageContract } from './lineage/contract.ts'
import { logsContract } from './logs/contract.ts'
import { mcpContract } from './mcp/contract.ts'
import { metricsContract } from './metrics/contract.ts'
import { modelsContract } from './models/contract.ts'
import { previewContract } from './previews/contract.ts'
import { receivedEventsContract } from './received-events/contract.ts'
import { rerunContract } from './rerun/contract.ts'
import { routableModelsContract } from './routable-models/contract.ts'
import { routinesContract } from './routines/contract.ts'
import { runbooksContract } from './runbooks/contract.ts'
import { runsContract } from './runs/contract.ts'
import { secretKeyContract } from './secret-key/contract.ts'
import { sessionsContract } from './sessions/contract.ts'
import { settingsContract } from './settings/contract.ts'
import { statsContract } from './stats/contract.ts'
import { stepTemplatesContract } from './step-templates/contract.ts'
import { stepsContract } from './steps/contract.ts'
import { systemContract } from './system/contract.ts'
import { taskSearchContract } from './task-search/contract.ts'
import { taskVersionsContract } from './task-versions/contract.ts'
import { tasksContract } from './tasks/contract.ts'
import { trajectoriesContract } from './trajectories/contract.ts'
import { trialContract } from './trial/contract.ts'
import { tryContract } from './try/contract.ts'
import { uploadsContract } from './uploads/contract.ts'
import { viewsContract } from './views/contract.ts'
import { webhooksContract } from './webhooks/contract.ts'
import { workersContract } from './workers/contract.ts'
import { workflowsContract } from './workflows/contract.ts'

/** All operations of the server by name. To add a resource: one line here. */
export const contract = {
  ...healthContract,
  ...docsContract,
  ...collectionsContract,
  ...settingsContract,
  ...environmentContract,
  ...tasksContract,
  ...workflowsContract,
  ...taskVersionsContract,
  ...taskSearchContract,
  ...runsContract,
  ...batchesContract,
  ...evaluationsContract,
  ...collectionRunsContract,
  ...bulkActionsContract,
  ...viewsContract,
  ...trajectoriesContract,
  ...stepsContract,
  ...logsContract,
  ...rerunContract,
  ...tryContract,
  ...routinesContract,
  ...diffContract,
  ...approvalsContract,
  ...receivedEventsContract,
  ...webhooksContract,
  ...statsContract,
  ...ingestContract,
  ...labelsContract,
  ...eventsContract,
  ...filesContract,
  ...uploadsContract,
  ...keysContract,
  ...sessionsContract,
  ...auditContract,
  ...stepTemplatesContract,
  ...workersContract,
  ...jobFilesContract,
  ...runbooksContract,
  ...metricsContract,
  ...secretKeyContract,
  ...systemContract,
  ...trialContract,
  ...croissantContract,
  ...previewContract,
  ...datasetsContract,
  ...itemsContract,
  ...datasetResultsContract,
  ...lineageContract,
  ...modelsContract,
  ...agentsContract,
  ...entityRelationshipsContract,
  ...routableModelsContract,
  ...gatewayContract,
  ...mcpContract,
  ...connectedAccountsContract,
  ...demoContract,
}
