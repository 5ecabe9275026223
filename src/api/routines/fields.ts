import { cronFault, fireAfter, readCadence } from '../../background/routines/cadence.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { type Cadence, cadenceFault, keptCadence } from '../../model/cadence.ts'
import type { UpdateRoutine } from '../../model/routine.ts'
import type { RoutineFields, RoutineRow } from '../../store/routines.ts'
import { routineSecretsSeal, routineWebhookSeal } from '../../store/secrets/sealed-texts.ts'

/** A new routine before its fields are set. */
export const newRoutine = (id: number): Before => ({
  id,
  cadence: JSON.stringify({ type: 'manual' }),
  init_params_overrides: '{}',
  secret_param_keys: [],
  sealed_secrets: null,
  paused: false,
  webhook_url: null,
  sealed_webhook_secret: null,
  overlap: 'skip',
  catch_up: 'none',
  next_run_at: null,
  waiting: [],
})

type Before = Omit<RoutineFields, 'updated_at'> & Pick<RoutineRow, 'id'>

/** Validates a cadence. Throws 400 for a violated rule, and 422 for an invalid value. */
export const checkedCadence = (given: NonNullable<UpdateRoutine['cadence']>): Cadence => {
  const broken = cadenceFault(given)
  if (broken) throw new AppError('bad_request', broken)
  const cadence = keptCadence(given)
  const fault = cronFault(cadence)
  if (fault) throw invalidField(['body', 'cadence', fault.member], fault.message, 'cadence')
  return cadence
}

/** Applies a change: given fields replace the old ones, the rest stays. */
export const changed = (
  before: Before,
  given: Omit<UpdateRoutine, 'cadence'> & { cadence?: Cadence | undefined },
  { sealer, now }: { sealer: Pick<Sealer, 'seal'>; now: Date },
): RoutineFields => {
  const { id, ...kept } = before
  const { name: _, cadence, init_params_overrides: overrides, secret_params: secrets, ...other } = given
  const { webhook_secret: secret, webhook_url: url = before.webhook_url, ...policies } = other
  if (secret && url === null) throw invalidField(['body', 'webhook_secret'], 'webhook_secret needs a webhook_url')
  const sealedSecret = sealedOr(before.sealed_webhook_secret, secret, (text) =>
    sealer.seal(text, routineWebhookSeal(id)),
  )
  const fields: RoutineFields = {
    ...kept,
    ...present(policies),
    cadence: cadence ? JSON.stringify(cadence) : before.cadence,
    init_params_overrides: overrides ? JSON.stringify(overrides) : before.init_params_overrides,
    secret_param_keys: secrets ? Object.keys(secrets) : before.secret_param_keys,
    sealed_secrets: sealedOr(before.sealed_secrets, secrets && textOf(secrets), (text) =>
      sealer.seal(text, routineSecretsSeal(id)),
    ),
    webhook_url: url,
    sealed_webhook_secret: url === null ? null : sealedSecret,
    updated_at: now,
  }
  // A change that does not touch the schedule must not skip a fire that is due now.
  if (fields.cadence === before.cadence && fields.paused === before.paused) return fields
  const next = fields.paused ? null : fireAfter(readCadence(fields.cadence), now.getTime())
  return { ...fields, next_run_at: next === null ? null : new Date(next), waiting: [] }
}

/** The members that have a value. */
const present = <Of extends object>(object: Of) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Of]?: Exclude<Of[Name], undefined>
  }

const textOf = (secrets: Record<string, string>): string | null =>
  Object.keys(secrets).length === 0 ? null : JSON.stringify(secrets)

/** Undefined keeps the stored value. */
const sealedOr = (
  before: string | null,
  given: string | null | undefined,
  seal: (text: string) => string,
): string | null => {
  if (given === undefined) return before
  return given === null ? null : seal(given)
}
