import type { ActivityRegistry } from '../activities/activity.ts'
import { makeShownDefinitions } from '../api/trajectories/definitions.ts'
import { type DocumentDeps, documentOf } from '../api/trajectories/documents.ts'
import type { Database } from '../database/database.ts'
import { compileWorkflow } from '../engine/program/program.ts'
import type { Workflow } from '../model/workflows/workflow.ts'
import { makeLending } from '../store/collections/lending.ts'
import { definitionText, type RunRow } from '../store/runs/runs.ts'
import type { ServerCore } from './server-core.ts'

/** What the trajectory document of a run is made from; shared by routes, runbook chats and webhooks. */
export interface Trajectories extends Omit<DocumentDeps, 'database' | 'lending'> {
  /** The base URL in links; empty until the server listens, unless it is set. */
  links: { publicUrl: string }
  lending: ReturnType<typeof makeLending>
  documentOf(run: RunRow): Promise<string>
}

const shownDefinitions = (database: Database, activities: ActivityRegistry) =>
  makeShownDefinitions(
    (hash) => definitionText(database, hash),
    (text) => compileWorkflow(JSON.parse(text) as Workflow, activities),
  )

export const makeTrajectories = (
  core: Pick<ServerCore, 'settings' | 'installation' | 'lentKeys' | 'activities' | 'database'>,
): Trajectories => {
  const { settings, lentKeys } = core
  const { database } = core.database
  const links = { publicUrl: settings.publicUrl ?? '' }
  const definitions = shownDefinitions(database, core.activities)
  const lending = makeLending({ database, sealer: core.installation.sealer, lentKeys, terms: settings })
  return {
    links,
    definitions,
    lending,
    documentOf: (run) => documentOf({ database, definitions, links, lending }, run),
  }
}
