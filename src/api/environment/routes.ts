import type { Database } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { mask } from '../../model/collections/environment.ts'
import { changeEnvironment, type EnvironmentVariables, readEnvironment } from '../../store/collections/environments.ts'
import { changedVariables } from './change.ts'
import { environmentContract } from './contract.ts'

export interface EnvironmentDeps {
  database: Database
  sealer: Sealer
  settings: { exposeEnvValues: boolean }
}

/** Names of changed and removed variables. */
const differenceOf = (before: EnvironmentVariables, after: EnvironmentVariables) => ({
  set: [...after.keys()].filter((name) => before.get(name) !== after.get(name)),
  removed: [...before.keys()].filter((name) => !after.has(name)),
})

export const environmentRoutes = ({ database, sealer, settings }: EnvironmentDeps): Route[] => {
  const shown = (variables: EnvironmentVariables) => {
    const entries = [...variables].map(([name, value]): [string, string] => [
      name,
      settings.exposeEnvValues ? value : mask,
    ])
    return { ...Object.fromEntries(entries), environment_variables: Object.fromEntries(entries) }
  }
  return implement(environmentContract, {
    getEnvironment: async ({ collection }) => shown(await readEnvironment(database, sealer, collection.id)),

    setEnvironment: async ({ collection, body, note }) => {
      const given = body.environment_variables
      if (given === undefined) return shown(await readEnvironment(database, sealer, collection.id))
      const changed = await changeEnvironment(database, sealer, collection.id, (current) => {
        const next = given === null ? new Map<string, string>() : changedVariables(current, given)
        note({ changes: differenceOf(current, next) })
        return next
      })
      if (!changed) throw new AppError('not_found', 'Collection not found')
      return shown(changed)
    },
  })
}
