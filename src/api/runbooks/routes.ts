import type { Environment } from '../../engine/environment/environment.ts'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { nextSlice } from '../../lib/slices.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { PreflightRunbook, RunbookPlace } from '../../model/runbooks/runbook-run.ts'
import { standardRunbookTask, standardRunbookWorkflow } from '../../model/runbooks/standard-runbook.ts'
import { currentEnvironment } from '../../store/collections/environments.ts'
import type { Lending } from '../../store/collections/lending.ts'
import type { Database } from '../../store/database/database.ts'
import { resolveFiles } from '../../store/files/uploads.ts'
import { runbooksContract } from './contract.ts'

interface RunbooksDeps {
  database: Database
  lending: Lending
  preflightRunbook: PreflightRunbook
  settings: { runbookCharacters: number; runbookLines: number }
  environmentOf(id: number | null, lent: readonly string[]): Environment | Promise<Environment>
  findCollection(name: string): Promise<FoundCollection | undefined>
}

export const runbooksRoutes = ({ database, lending, ...deps }: RunbooksDeps): Route[] => {
  /** Environment that a run of a collection would have now. */
  const placeOf = async (
    { id }: FoundCollection,
    secrets: readonly string[],
    isTrial: boolean,
  ): Promise<Omit<RunbookPlace, 'hasFile'>> => {
    const version = await currentEnvironment(database, id)
    if (version === undefined) throw new AppError('not_found', 'Collection not found')
    const trial = isTrial ? await lending.trial(id) : undefined
    // The first run that asks for lent keys starts the trial.
    const isLent = trial?.active || trial?.status === 'inactive'
    const environment = await deps.environmentOf(version, isLent ? trial.providers : [])
    return {
      // the check needs only the name of a secret
      env: (name) => (secrets.includes(name) ? name : environment.get(name)),
      lent: (name) => !secrets.includes(name) && environment.lent(name),
      secretParams: secrets,
    }
  }

  return implement(runbooksContract, {
    getRunbookTemplate: async ({ query: { title, evaluation } }) => {
      const { runbookTemplate } = await import('../../sandbox/runbooks/format/templates.ts')
      const content = runbookTemplate(title.replace(/\s+/g, ' '), evaluation)
      const params = { agent: null, model: null, model_provider: null, instruction: content, vars: {} }
      return { content, task: { workflow: standardRunbookWorkflow(params), ...standardRunbookTask } }
    },

    validateRunbook: async ({ body }) => {
      // loaded on demand: the parser is large, and few requests need it
      const { validateRunbook } = await import('../../sandbox/runbooks/format/validate.ts')
      await nextSlice() // many that come at once are read one by one
      const { runbookCharacters: characters, runbookLines: lines } = deps.settings
      return validateRunbook(body.content, body.level, { characters, lines })
    },

    preflightRunbook: async ({ body, identity }) => {
      const { collection: name, content, file_paths, secret_names, secret_params, use_trial_keys, ...request } = body
      const collection = coveredOnly(identity, await deps.findCollection(name))
      if (!collection) throw collectionNotFound()
      const secrets = [...(secret_names ?? []), ...Object.keys(secret_params ?? {})]
      const place = await placeOf(collection, secrets, use_trial_keys === true)
      const files = file_paths ?? []
      const found = files.length > 0 ? await resolveFiles(database, collection.id, files) : new Map<string, string>()
      return deps.preflightRunbook(
        { ...request, instruction: content, files },
        { ...place, hasFile: async (path) => found.has(path) },
      )
    },
  })
}
