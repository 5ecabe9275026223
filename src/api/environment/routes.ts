import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestampOrNull } from '../../lib/time.ts'
import { mask } from '../../model/collections/environment.ts'
import { recordedBy } from '../../model/collections/identity.ts'
import {
  changeEnvironment,
  type EnvironmentVariables,
  readEnvironment,
  tasksWithVariables,
  variableChanges,
  variablesChanged,
} from '../../store/collections/environments.ts'
import type { Database } from '../../store/database/database.ts'
import { changedVariables } from './change.ts'
import { environmentContract } from './contract.ts'

export interface EnvironmentDeps {
  database: Database
  sealer: Sealer
  settings: { exposeEnvValues: boolean }
}

export const environmentRoutes = ({ database, sealer, settings }: EnvironmentDeps): Route[] => {
  const shown = (variables: EnvironmentVariables) => {
    const entries = [...variables].map(([name, value]): [string, string] => [
      name,
      settings.exposeEnvValues ? value : mask,
    ])
    return { ...Object.fromEntries(entries), environment_variables: Object.fromEntries(entries) }
  }
  return implement(environmentContract, {
    listVariables: async ({ collection }) => {
      const [variables, changes, uses] = await Promise.all([
        readEnvironment(database, sealer, collection.id),
        variableChanges(database, collection.id),
        tasksWithVariables(database, collection.id),
      ])
      const byName = new Map(changes.map((one) => [one.name, one]))
      const shownOne = (name: string) => ({
        name,
        set_at: timestampOrNull(byName.get(name)?.set_at),
        set_by: byName.get(name)?.set_by ?? null,
        tasks: uses.filter(({ variable }) => variable === name).map(({ task }) => task),
      })
      const missing = uses.filter(({ variable }) => !variables.has(variable))
      return { variables: [...variables.keys()].map(shownOne), missing }
    },

    getEnvironment: async ({ collection }) => shown(await readEnvironment(database, sealer, collection.id)),

    setEnvironment: async ({ collection, body, note, identity }) => {
      const given = body.environment_variables
      if (given === undefined) return shown(await readEnvironment(database, sealer, collection.id))
      const change = (current: EnvironmentVariables) => {
        const next = given === null ? new Map<string, string>() : changedVariables(current, given)
        note({ changes: { ...variablesChanged(current, next) } })
        return next
      }
      const changed = await changeEnvironment(database, sealer, collection.id, change, recordedBy(identity))
      if (!changed) throw new AppError('not_found', 'Collection not found')
      return shown(changed)
    },
  })
}
