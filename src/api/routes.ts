import type { Route } from '../http/implement.ts'
import { approvalsRoutes } from './approvals/routes.ts'
import { auditRoutes } from './audit/routes.ts'
import { batchesRoutes } from './batches/routes.ts'
import { collectionRunsRoutes } from './collection-runs/routes.ts'
import { collectionsRoutes } from './collections/routes.ts'
import { conversationsRoutes } from './conversations/routes.ts'
import { datasetsRoutes } from './datasets/routes.ts'
import { diffRoutes } from './diff/routes.ts'
import { docsRoutes } from './docs/routes.ts'
import { entitiesRoutes } from './entities/routes.ts'
import { estimatesRoutes } from './estimates/routes.ts'
import { evaluationsRoutes } from './evaluations/routes.ts'
import { eventsRoutes } from './events/routes.ts'
import { experimentsRoutes } from './experiments/routes.ts'
import { filesRoutes } from './files/routes.ts'
import { routableModelsRoutes } from './gateway/routes.ts'
import { healthRoutes } from './health/routes.ts'
import { hooksRoutes } from './hooks/routes.ts'
import { hostedOnlyRoutes } from './hosted-only/routes.ts'
import { ingestRoutes } from './ingest/routes.ts'
import { itemsRoutes } from './items/routes.ts'
import { keysRoutes } from './keys/routes.ts'
import { lineageRoutes } from './lineage/routes.ts'
import { logsRoutes } from './logs/routes.ts'
import { mcpRoutes } from './mcp/routes.ts'
import { metricsRoutes } from './metrics/routes.ts'
import { receivedEventsRoutes } from './received-events/routes.ts'
import { routinesRoutes } from './routines/routes.ts'
import { runbooksRoutes } from './runbooks/routes.ts'
import { runsRoutes } from './runs/routes.ts'
import { sessionsRoutes } from './sessions/routes.ts'
import { statsRoutes } from './stats/routes.ts'
import { stepTemplatesRoutes } from './step-templates/routes.ts'
import { stepsRoutes } from './steps/routes.ts'
import { systemRoutes } from './system/routes.ts'
import { tasksRoutes } from './tasks/routes.ts'
import { tracesRoutes } from './traces/routes.ts'
import { trajectoriesRoutes } from './trajectories/routes.ts'
import { webhooksRoutes } from './webhooks/routes.ts'
import { workersRoutes } from './workers/routes.ts'

/** Makes the routes of each resource. To add a resource: one line here. */
const resources = [
  healthRoutes,
  docsRoutes,
  collectionsRoutes,
  tasksRoutes,
  runsRoutes,
  batchesRoutes,
  estimatesRoutes,
  evaluationsRoutes,
  experimentsRoutes,
  collectionRunsRoutes,
  trajectoriesRoutes,
  stepsRoutes,
  logsRoutes,
  routinesRoutes,
  hooksRoutes,
  diffRoutes,
  approvalsRoutes,
  receivedEventsRoutes,
  webhooksRoutes,
  statsRoutes,
  conversationsRoutes,
  ingestRoutes,
  tracesRoutes,
  eventsRoutes,
  filesRoutes,
  keysRoutes,
  sessionsRoutes,
  auditRoutes,
  stepTemplatesRoutes,
  workersRoutes,
  runbooksRoutes,
  metricsRoutes,
  systemRoutes,
  datasetsRoutes,
  itemsRoutes,
  lineageRoutes,
  entitiesRoutes,
  routableModelsRoutes,
  mcpRoutes,
  hostedOnlyRoutes,
]

/** Dependencies of all routes: what each resource needs, together. */
export type ApiDeps = (typeof resources)[number] extends (deps: infer Deps) => unknown ? Deps : never

/** Routes of all operations. */
export const apiRoutes = (deps: ApiDeps): Route[] => resources.flatMap((routesOf) => routesOf(deps))
