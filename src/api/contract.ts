import { approvalsContract } from './approvals/contract.ts'
import { auditContract } from './audit/contract.ts'
import { batchesContract } from './batches/contract.ts'
import { collectionRunsContract } from './collection-runs/contract.ts'
import { collectionsContract, trialContract } from './collections/contract.ts'
import { conversationsContract } from './conversations/contract.ts'
import { datasetsContract } from './datasets/contract.ts'
import { diffContract } from './diff/contract.ts'
import { docsContract } from './docs/contract.ts'
import { entitiesContract } from './entities/contract.ts'
import { estimatesContract } from './estimates/contract.ts'
import { evaluationsContract } from './evaluations/contract.ts'
import { eventsContract } from './events/contract.ts'
import { experimentsContract } from './experiments/contract.ts'
import { filesContract } from './files/contract.ts'
import { gatewayContract, realtimeContract, routableModelsContract } from './gateway/contract.ts'
import { healthContract } from './health/contract.ts'
import { hooksContract } from './hooks/contract.ts'
import { hostedOnlyContract } from './hosted-only/contract.ts'
import { ingestContract } from './ingest/contract.ts'
import { itemsContract } from './items/contract.ts'
import { keysContract } from './keys/contract.ts'
import { lineageContract } from './lineage/contract.ts'
import { logsContract } from './logs/contract.ts'
import { mcpContract } from './mcp/contract.ts'
import { metricsContract } from './metrics/contract.ts'
import { receivedEventsContract } from './received-events/contract.ts'
import { routinesContract } from './routines/contract.ts'
import { runbooksContract } from './runbooks/contract.ts'
import { rerunContract, runsContract } from './runs/contract.ts'
import { sessionsContract } from './sessions/contract.ts'
import { statsContract } from './stats/contract.ts'
import { stepTemplatesContract } from './step-templates/contract.ts'
import { stepsContract } from './steps/contract.ts'
import { systemContract } from './system/contract.ts'
import { tasksContract } from './tasks/contract.ts'
import { tracesContract } from './traces/contract.ts'
import { labelsContract, trajectoriesContract } from './trajectories/contract.ts'
import { webhooksContract } from './webhooks/contract.ts'
import { workersContract } from './workers/contract.ts'

/** All operations of the server by name. To add a resource: one line here. */
export const contract = {
  ...healthContract,
  ...docsContract,
  ...collectionsContract,
  ...tasksContract,
  ...runsContract,
  ...batchesContract,
  ...estimatesContract,
  ...experimentsContract,
  ...evaluationsContract,
  ...collectionRunsContract,
  ...trajectoriesContract,
  ...stepsContract,
  ...logsContract,
  ...rerunContract,
  ...routinesContract,
  ...hooksContract,
  ...diffContract,
  ...approvalsContract,
  ...receivedEventsContract,
  ...webhooksContract,
  ...statsContract,
  ...conversationsContract,
  ...ingestContract,
  ...tracesContract,
  ...labelsContract,
  ...eventsContract,
  ...filesContract,
  ...keysContract,
  ...sessionsContract,
  ...auditContract,
  ...stepTemplatesContract,
  ...workersContract,
  ...runbooksContract,
  ...metricsContract,
  ...systemContract,
  ...trialContract,
  ...datasetsContract,
  ...itemsContract,
  ...lineageContract,
  ...entitiesContract,
  ...routableModelsContract,
  ...gatewayContract,
  ...realtimeContract,
  ...mcpContract,
  ...hostedOnlyContract,
}
