import type { Route } from '../http/implement.ts'
import { type AgentsDeps, agentsRoutes } from './agents/routes.ts'
import { type ApprovalsDeps, approvalsRoutes } from './approvals/routes.ts'
import { type AuditDeps, auditRoutes } from './audit/routes.ts'
import { type BatchesDeps, batchesRoutes } from './batches/routes.ts'
import { type BulkActionsDeps, bulkActionsRoutes } from './bulk-actions/routes.ts'
import { type CollectionRunsDeps, collectionRunsRoutes } from './collection-runs/routes.ts'
import { type CollectionsDeps, collectionsRoutes } from './collections/routes.ts'
import { connectedAccountsRoutes } from './connected-accounts/routes.ts'
import { type CroissantDeps, croissantRoutes } from './croissant/routes.ts'
import { type DatasetResultsDeps, datasetResultsRoutes } from './dataset-results/routes.ts'
import { type DatasetsDeps, datasetsRoutes } from './datasets/routes.ts'
import { demoRoutes } from './demo/routes.ts'
import { type DiffDeps, diffRoutes } from './diff/routes.ts'
import { docsRoutes } from './docs/routes.ts'
import { type EntityRelationshipsDeps, entityRelationshipsRoutes } from './entity-relationships/routes.ts'
import { type EnvironmentDeps, environmentRoutes } from './environment/routes.ts'
import { type EvaluationsDeps, evaluationsRoutes } from './evaluations/routes.ts'
import { type EventsDeps, eventsRoutes } from './events/routes.ts'
import { type FilesDeps, filesRoutes } from './files/routes.ts'
import { type HealthDeps, healthRoutes } from './health/routes.ts'
import { type IngestDeps, ingestRoutes } from './ingest/routes.ts'
import { type ItemsDeps, itemsRoutes } from './items/routes.ts'
import { type JobFilesDeps, jobFilesRoutes } from './job-files/routes.ts'
import { type KeysDeps, keysRoutes } from './keys/routes.ts'
import { type LabelsDeps, labelsRoutes } from './labels/routes.ts'
import { type LineageDeps, lineageRoutes } from './lineage/routes.ts'
import { logsRoutes } from './logs/routes.ts'
import { type McpDeps, mcpRoutes } from './mcp/routes.ts'
import { type MetricsDeps, metricsRoutes } from './metrics/routes.ts'
import { type ModelsDeps, modelsRoutes } from './models/routes.ts'
import { type PreviewRouteDeps, previewRoutes } from './previews/routes.ts'
import { type ReceivedEventsDeps, receivedEventsRoutes } from './received-events/routes.ts'
import { type RerunDeps, rerunRoutes } from './rerun/routes.ts'
import { type RoutableModelsDeps, routableModelsRoutes } from './routable-models/routes.ts'
import { type RoutinesDeps, routinesRoutes } from './routines/routes.ts'
import { type RunbooksDeps, runbooksRoutes } from './runbooks/routes.ts'
import { type RunsDeps, runsRoutes } from './runs/routes.ts'
import { type SecretKeyDeps, secretKeyRoutes } from './secret-key/routes.ts'
import { type SessionsDeps, sessionsRoutes } from './sessions/routes.ts'
import { type SettingsDeps, settingsRoutes } from './settings/routes.ts'
import { type StatsDeps, statsRoutes } from './stats/routes.ts'
import { type StepTemplatesDeps, stepTemplatesRoutes } from './step-templates/routes.ts'
import { stepsRoutes } from './steps/routes.ts'
import { type SystemDeps, systemRoutes } from './system/routes.ts'
import { type TaskSearchDeps, taskSearchRoutes } from './task-search/routes.ts'
import { type TaskVersionsDeps, taskVersionsRoutes } from './task-versions/routes.ts'
import { type TasksDeps, tasksRoutes } from './tasks/routes.ts'
import { type TrajectoriesDeps, trajectoriesRoutes } from './trajectories/routes.ts'
import { type TrialDeps, trialRoutes } from './trial/routes.ts'
import { type TryDeps, tryRoutes } from './try/routes.ts'
import { type UploadsDeps, uploadsRoutes } from './uploads/routes.ts'
import { type ViewsDeps, viewsRoutes } from './views/routes.ts'
import { type WebhooksDeps, webhooksRoutes } from './webhooks/routes.ts'
import { type WorkersDeps, workersRoutes } from './workers/routes.ts'
import { type WorkflowsDeps, workflowsRoutes } from './workflows/routes.ts'

/** Dependencies of all routes. */
export type ApiDeps = HealthDeps &
  CollectionsDeps &
  SettingsDeps &
  EnvironmentDeps &
  TasksDeps &
  WorkflowsDeps &
  TaskVersionsDeps &
  TaskSearchDeps &
  FilesDeps &
  UploadsDeps &
  KeysDeps &
  SessionsDeps &
  AuditDeps &
  RunsDeps &
  BatchesDeps &
  EvaluationsDeps &
  CollectionRunsDeps &
  BulkActionsDeps &
  ViewsDeps &
  TrajectoriesDeps &
  RerunDeps &
  TryDeps &
  RoutinesDeps &
  DiffDeps &
  ApprovalsDeps &
  ReceivedEventsDeps &
  WebhooksDeps &
  StatsDeps &
  IngestDeps &
  LabelsDeps &
  EventsDeps &
  StepTemplatesDeps &
  WorkersDeps &
  JobFilesDeps &
  MetricsDeps &
  SecretKeyDeps &
  SystemDeps &
  TrialDeps &
  RunbooksDeps &
  DatasetsDeps &
  CroissantDeps &
  PreviewRouteDeps &
  ItemsDeps &
  DatasetResultsDeps &
  LineageDeps &
  ModelsDeps &
  AgentsDeps &
  EntityRelationshipsDeps &
  RoutableModelsDeps &
  McpDeps

/** Routes of all operations. To add a resource: one line here. */
export const apiRoutes = (deps: ApiDeps): Route[] => [
  ...healthRoutes(deps),
  ...docsRoutes(deps),
  ...collectionsRoutes(deps),
  ...settingsRoutes(deps),
  ...environmentRoutes(deps),
  ...tasksRoutes(deps),
  ...workflowsRoutes(deps),
  ...taskVersionsRoutes(deps),
  ...taskSearchRoutes(deps),
  ...runsRoutes(deps),
  ...batchesRoutes(deps),
  ...evaluationsRoutes(deps),
  ...collectionRunsRoutes(deps),
  ...bulkActionsRoutes(deps),
  ...viewsRoutes(deps),
  ...trajectoriesRoutes(deps),
  ...stepsRoutes(deps),
  ...logsRoutes(deps),
  ...rerunRoutes(deps),
  ...tryRoutes(deps),
  ...routinesRoutes(deps),
  ...diffRoutes(deps),
  ...approvalsRoutes(deps),
  ...receivedEventsRoutes(deps),
  ...webhooksRoutes(deps),
  ...statsRoutes(deps),
  ...ingestRoutes(deps),
  ...labelsRoutes(deps),
  ...eventsRoutes(deps),
  ...filesRoutes(deps),
  ...uploadsRoutes(deps),
  ...keysRoutes(deps),
  ...sessionsRoutes(deps),
  ...auditRoutes(deps),
  ...stepTemplatesRoutes(deps),
  ...workersRoutes(deps),
  ...jobFilesRoutes(deps),
  ...runbooksRoutes(deps),
  ...metricsRoutes(deps),
  ...secretKeyRoutes(deps),
  ...systemRoutes(deps),
  ...trialRoutes(deps),
  ...croissantRoutes(deps),
  ...previewRoutes(deps),
  ...datasetsRoutes(deps),
  ...itemsRoutes(deps),
  ...datasetResultsRoutes(deps),
  ...lineageRoutes(deps),
  ...modelsRoutes(deps),
  ...agentsRoutes(deps),
  ...entityRelationshipsRoutes(deps),
  ...routableModelsRoutes(deps),
  ...mcpRoutes(deps),
  ...connectedAccountsRoutes(),
  ...demoRoutes(),
]
