import type { Route } from '../http/implement.ts'
import { type ApprovalsDeps, approvalsRoutes } from './approvals/routes.ts'
import { type AuditDeps, auditRoutes } from './audit/routes.ts'
import { type BatchesDeps, batchesRoutes } from './batches/routes.ts'
import { type CollectionRunsDeps, collectionRunsRoutes } from './collection-runs/routes.ts'
import { type CollectionsDeps, collectionsRoutes } from './collections/routes.ts'
import { type DatasetsDeps, datasetsRoutes } from './datasets/routes.ts'
import { type DiffDeps, diffRoutes } from './diff/routes.ts'
import { docsRoutes } from './docs/routes.ts'
import { entitiesRoutes } from './entities/routes.ts'
import { type EvaluationsDeps, evaluationsRoutes } from './evaluations/routes.ts'
import { type EventsDeps, eventsRoutes } from './events/routes.ts'
import { type FilesDeps, filesRoutes } from './files/routes.ts'
import { type RoutableModelsDeps, routableModelsRoutes } from './gateway/routes.ts'
import { type HealthDeps, healthRoutes } from './health/routes.ts'
import { hostedOnlyRoutes } from './hosted-only/routes.ts'
import { type IngestDeps, ingestRoutes } from './ingest/routes.ts'
import { type ItemsDeps, itemsRoutes } from './items/routes.ts'
import { type KeysDeps, keysRoutes } from './keys/routes.ts'
import { type LineageDeps, lineageRoutes } from './lineage/routes.ts'
import { logsRoutes } from './logs/routes.ts'
import { type McpDeps, mcpRoutes } from './mcp/routes.ts'
import { type MetricsDeps, metricsRoutes } from './metrics/routes.ts'
import { type ReceivedEventsDeps, receivedEventsRoutes } from './received-events/routes.ts'
import { type RoutinesDeps, routinesRoutes } from './routines/routes.ts'
import { type RunbooksDeps, runbooksRoutes } from './runbooks/routes.ts'
import { type RunsDeps, runsRoutes } from './runs/routes.ts'
import { type SessionsDeps, sessionsRoutes } from './sessions/routes.ts'
import { type StatsDeps, statsRoutes } from './stats/routes.ts'
import { type StepTemplatesDeps, stepTemplatesRoutes } from './step-templates/routes.ts'
import { stepsRoutes } from './steps/routes.ts'
import { type SystemDeps, systemRoutes } from './system/routes.ts'
import { type TasksDeps, tasksRoutes } from './tasks/routes.ts'
import { type TrajectoriesDeps, trajectoriesRoutes } from './trajectories/routes.ts'
import { type WebhooksDeps, webhooksRoutes } from './webhooks/routes.ts'
import { type WorkersDeps, workersRoutes } from './workers/routes.ts'

/** Dependencies of all routes. */
export type ApiDeps = HealthDeps &
  CollectionsDeps &
  TasksDeps &
  FilesDeps &
  KeysDeps &
  SessionsDeps &
  AuditDeps &
  RunsDeps &
  BatchesDeps &
  EvaluationsDeps &
  CollectionRunsDeps &
  TrajectoriesDeps &
  RoutinesDeps &
  DiffDeps &
  ApprovalsDeps &
  ReceivedEventsDeps &
  WebhooksDeps &
  StatsDeps &
  IngestDeps &
  EventsDeps &
  StepTemplatesDeps &
  WorkersDeps &
  MetricsDeps &
  SystemDeps &
  RunbooksDeps &
  DatasetsDeps &
  ItemsDeps &
  LineageDeps &
  RoutableModelsDeps &
  McpDeps

/** Routes of all operations. To add a resource: one line here. */
export const apiRoutes = (deps: ApiDeps): Route[] => [
  ...healthRoutes(deps),
  ...docsRoutes(deps),
  ...collectionsRoutes(deps),
  ...tasksRoutes(deps),
  ...runsRoutes(deps),
  ...batchesRoutes(deps),
  ...evaluationsRoutes(deps),
  ...collectionRunsRoutes(deps),
  ...trajectoriesRoutes(deps),
  ...stepsRoutes(deps),
  ...logsRoutes(deps),
  ...routinesRoutes(deps),
  ...diffRoutes(deps),
  ...approvalsRoutes(deps),
  ...receivedEventsRoutes(deps),
  ...webhooksRoutes(deps),
  ...statsRoutes(deps),
  ...ingestRoutes(deps),
  ...eventsRoutes(deps),
  ...filesRoutes(deps),
  ...keysRoutes(deps),
  ...sessionsRoutes(deps),
  ...auditRoutes(deps),
  ...stepTemplatesRoutes(deps),
  ...workersRoutes(deps),
  ...runbooksRoutes(deps),
  ...metricsRoutes(deps),
  ...systemRoutes(deps),
  ...datasetsRoutes(deps),
  ...itemsRoutes(deps),
  ...lineageRoutes(deps),
  ...entitiesRoutes(deps),
  ...routableModelsRoutes(deps),
  ...mcpRoutes(deps),
  ...hostedOnlyRoutes(),
]
