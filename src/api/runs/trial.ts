import type { Database } from '../../database/database.ts'
import type { Sealer } from '../../lib/crypto.ts'
import { AppError } from '../../lib/errors.ts'
import { providerKeyNames } from '../../model/provider-keys.ts'
import { readEnvironmentVersion } from '../../store/environments.ts'

/**
 * What becomes of a run that asks for keys of the server, which lends none: where its collection has a provider key of
 * its own it needs no other, and else it is refused.
 */
export const checkTrial = async (
  { database, sealer }: { database: Database; sealer: Sealer },
  environmentId: number | null,
): Promise<void> => {
  const variables = await readEnvironmentVersion(database, sealer, environmentId)
  if (providerKeyNames.some((name) => variables.has(name))) return
  throw new AppError('forbidden', 'Trial is not active for this collection', {
    hint: `Put a key of your own into the collection's environment (${providerKeyNames.join(', ')}), or leave use_trial_keys out.`,
  })
}
