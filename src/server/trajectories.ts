import { makeShownDefinitions } from '../api/trajectories/definitions.ts'
import { type DocumentDeps, documentOf } from '../api/trajectories/documents.ts'
import { makeLending } from '../store/collections/lending.ts'
import type { RunRow } from '../store/runs/runs.ts'
import type { ServerCore } from './server-core.ts'

/** Dependencies of the trajectory document of a run; shared by routes, runbook chats and webhooks. */
export interface Trajectories extends Omit<DocumentDeps, 'database' | 'lending'> {
  /** The base URL in links; empty until the server listens, unless it is set. */
  links: { publicUrl: string }
  lending: ReturnType<typeof makeLending>
  documentOf(run: RunRow): Promise<string>
}

export const makeTrajectories = (
  core: Pick<ServerCore, 'settings' | 'installation' | 'lentKeys' | 'programs' | 'database'>,
): Trajectories => {
  const { settings, lentKeys } = core
  const { database } = core.database
  const links = { publicUrl: settings.publicUrl ?? '' }
  const definitions = makeShownDefinitions(core.programs.readThrough(database))
  const lending = makeLending({ database, sealer: core.installation.sealer, lentKeys, terms: settings })
  return {
    links,
    definitions,
    lending,
    documentOf: (run) => documentOf({ database, definitions, links, lending }, run),
  }
}
