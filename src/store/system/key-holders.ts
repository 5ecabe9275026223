import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Queries } from '../database/database.ts'
import { bigint, query, text } from '../database/table.ts'
import { environmentSeal } from '../secrets/sealed-texts.ts'

/** Collections whose variables are looked at. */
const mostCollections = 500

const sealedVariables = query(
  'variable_holders',
  { id: bigint, sealed: text },
  `select c.id, e.sealed from (select id, environment_id from collections order by id desc limit ${mostCollections}) c
   join environments e on e.id = c.environment_id`,
)

/** Counts the collections that have a variable, by its name, among the newest. Values are opened and forgotten. */
export const variableHolders = async (queries: Queries, sealer: Sealer): Promise<ReadonlyMap<string, Set<number>>> => {
  const holders = new Map<string, Set<number>>()
  for (const { id, sealed } of await sealedVariables(queries)) {
    const variables = JSON.parse(sealer.open(sealed, environmentSeal(id))) as [string, string][]
    for (const [name, value] of variables) {
      if (value.trim() !== '') holders.set(name, (holders.get(name) ?? new Set()).add(id))
    }
  }
  return holders
}
