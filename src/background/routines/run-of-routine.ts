import type { RunRequest } from '../../engine/engine.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import { collectionWebhook } from '../../store/collections/collection-webhook.ts'
import type { Database } from '../../store/database/database.ts'
import type { RunnableRoutine } from '../../store/routines.ts'
import { routineSecretsSeal, routineWebhookSeal } from '../../store/secrets/sealed-texts.ts'

/** Throws a 400 that lists overrides for which the task has no `init_params`. */
export const requireKnownOverrides = (overrides: JsonObject, workflow: string): void => {
  const { init_params: initParams } = JSON.parse(workflow) as JsonObject
  const unknown = Object.keys(overrides).filter((key) => !(isObject(initParams) && Object.hasOwn(initParams, key)))
  if (unknown.length === 0) return
  throw new AppError('bad_request', `Unknown init_params_overrides keys: ${unknown.join(', ')}`, {
    hint: "They may only name keys of the task's workflow.init_params.",
  })
}

/**
 * Builds the run of a routine from its current state and task; for a fire, with the fire's time. Throws a 400 for
 * overrides whose parameters the task no longer has.
 */
export const runOfRoutine = async (
  deps: { database: Database; sealer: Pick<Sealer, 'open'> },
  routine: RunnableRoutine,
  { author, fireMs }: { author: string; fireMs?: number },
): Promise<RunRequest> => {
  const { sealer } = deps
  const initParams = JSON.parse(routine.init_params_overrides) as JsonObject
  if (routine.workflow !== null) requireKnownOverrides(initParams, routine.workflow)
  const { id, sealed_secrets: secrets } = routine
  const webhook = await webhookOfRoutine(deps, routine)
  return {
    collection: {
      id: routine.collection_id,
      name: routine.collection_name,
      payer: routine.payer,
      environmentId: routine.environment_id,
    },
    task: { id: routine.task_id, name: routine.task_name, definition: routine.definition },
    initParams,
    secrets: secrets === null ? {} : openSecrets(sealer, id, secrets),
    files: [],
    author,
    routineId: id,
    params: { routine: { name: routine.name, ...(fireMs !== undefined && { fire: new Date(fireMs).toISOString() }) } },
    ...(webhook && { webhook }),
  }
}

/** The receiver of a routine, or that of its collection. */
const webhookOfRoutine = async (
  { database, sealer }: Parameters<typeof runOfRoutine>[0],
  routine: RunnableRoutine,
): Promise<RunRequest['webhook']> => {
  const { id, collection_id: collectionId, webhook_url: url, sealed_webhook_secret: sealed } = routine
  if (url !== null) return { url, secret: sealed === null ? null : sealer.open(sealed, routineWebhookSeal(id)) }
  return collectionWebhook(database, sealer, { id: collectionId, settings: readCollectionSettings(routine.settings) })
}

const openSecrets = (sealer: Pick<Sealer, 'open'>, id: number, sealed: string): Record<string, string> =>
  JSON.parse(sealer.open(sealed, routineSecretsSeal(id))) as Record<string, string>
