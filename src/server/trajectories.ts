import { makeShownDefinitions } from '../api/trajectories/definitions.ts'
import { type DocumentDeps, documentOf } from '../api/trajectories/documents.ts'
import { makeLending } from '../store/collections/lending.ts'
import type { RunRow } from '../store/runs/runs.ts'
import type { ServerCore } from './server-core.ts'

/** Dependencies of the trajectory document of a run; shared by routes, runbook chats and webhooks. */
export interface Trajectories extends Omit<DocumentDeps, 'database' | 'lending'> {
  links: ServerCore['links']
  lending: ReturnType<typeof makeLending>
  documentOf(run: RunRow): Promise<string>
}

export const makeTrajectories = (
  core: Pick<ServerCore, 'settings' | 'installation' | 'lentKeys' | 'links' | 'programs' | 'database'>,
): Trajectories => {
  const { settings, lentKeys, links } = core
  const { database } = core.database
  const definitions = makeShownDefinitions(core.programs.readThrough(database))
  const lending = makeLending({ database, sealer: core.installation.sealer, lentKeys, terms: settings })
  return {
    links,
    definitions,
    lending,
    documentOf: (run) => documentOf({ database, definitions, links, lending }, run),
  }
}
