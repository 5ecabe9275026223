import { makeLru } from '../../lib/memory/lru.ts'
import type { Secret } from '../../lib/secrets/secret-finder.ts'
import type { LentKeys } from '../../model/collections/trial.ts'
import type { Queries } from '../../store/database/database.ts'
import { bigint, orNull, queryOne, text } from '../../store/database/table.ts'
import { runSecretsSeal } from '../../store/secrets/sealed-texts.ts'
import { type Environment, emptyEnvironment, makeEnvironment } from './environment.ts'
import { readRunSecrets } from './run-secrets.ts'

/** Maximum cached environments. A version never changes, so entries never expire. */
const mostKept = 200

export interface Environments {
  /** Environment of a run: its collection's version at the start, its own secrets, and its lent keys. */
  of(
    environmentId: number | null,
    sealedSecrets: string | null,
    runKey: string,
    /** Steps whose callback URLs the workflow refers to. */
    callbackSteps?: readonly string[],
  ): Promise<Environment>
  /** Environment of a call outside a run: a version, and lent keys by name. */
  lending(environmentId: number | null, lent: readonly string[]): Environment | Promise<Environment>
}

/** Sources of environments. */
interface EnvironmentSources {
  /** Decrypts a version of a collection's variables. */
  openEnvironment(environmentId: number): Promise<Record<string, string>>
  /** Decrypts the secrets of a run. */
  sealer: { open(sealed: string, boundTo: string): string }
  /** Provider keys of the server that a trial may use. */
  lentKeys: Pick<LentKeys, 'value'>
  /** Makes callback URLs; without it there are none. */
  callbacks?: CallbackUrls
}

/** Makes the URLs at which third parties continue a step. */
export interface CallbackUrls {
  /** The secret part of the URL. */
  token(runKey: string, step: string): string
  url(token: string): string
}

interface Version {
  variables: Record<string, string>
  /** Environment without secrets of a run. */
  alone: Environment
}

const environmentOfRun = queryOne(
  'environment_of_run',
  { environment_id: orNull(bigint), sealed_secrets: orNull(text), definition: text },
  'select environment_id, sealed_secrets, definition from runs where id = $1',
  (runKey: string) => [runKey],
)

/** Makes the function that removes a run's secrets and callback tokens from texts that are stored with it. */
export const scrubberOf = async (
  { database, environments, programs }: ScrubberSources,
  runKey: string,
): Promise<(text: string) => string> => {
  const run = await environmentOfRun(database, runKey)
  if (!run) return (text) => text
  const { callbackSteps } = await programs.of(run.definition)
  return (await environments.of(run.environment_id, run.sealed_secrets, runKey, callbackSteps)).scrub.text
}

interface ScrubberSources {
  database: Queries
  environments: Pick<Environments, 'of'>
  programs: { of(definition: string): Promise<{ callbackSteps: readonly string[] }> }
}

/** Opens environments, and caches those of collections. */
export const makeEnvironments = (options: EnvironmentSources): Environments => {
  const versions = makeLru<number, Version | Promise<Version>>(mostKept)

  const open = (id: number): Version | Promise<Version> => {
    const known = versions.get(id)
    if (known) return known
    const opening = options.openEnvironment(id).then((variables) => {
      const opened = { variables, alone: makeEnvironment(variables, {}, {}, String(id)) }
      if (versions.peek(id) === opening) versions.set(id, opened)
      return opened
    })
    opening.catch(() => versions.delete(id))
    versions.set(id, opening)
    return opening
  }

  /** A key that the server no longer lends counts as missing. */
  const keysOf = (lent: readonly string[]): Record<string, string> =>
    Object.fromEntries(lent.map((name) => [name, options.lentKeys.value(name) ?? '']).filter(([, key]) => key !== ''))

  const environmentOf = async (
    environmentId: number | null,
    sealedSecrets: string | null,
    runKey: string,
    tokens: readonly Secret[] = [],
  ): Promise<Environment> => {
    if (environmentId === null && sealedSecrets === null && tokens.length === 0) return emptyEnvironment
    const version = environmentId === null ? undefined : await open(environmentId)
    const variables = version?.variables ?? {}
    if (sealedSecrets === null) {
      if (tokens.length === 0) return version?.alone ?? emptyEnvironment
      return makeEnvironment(variables, {}, {}, environmentId === null ? '' : String(environmentId), tokens)
    }
    const { secrets, lent } = readRunSecrets(options.sealer.open(sealedSecrets, runSecretsSeal(runKey)))
    return makeEnvironment(variables, secrets, keysOf(lent), undefined, tokens)
  }

  return {
    async of(environmentId, sealedSecrets, runKey, callbackSteps = []) {
      const { callbacks } = options
      if (callbacks && callbackSteps.length > 0) {
        const tokens = new Map(callbackSteps.map((step) => [step, callbacks.token(runKey, step)]))
        const secrets = [...tokens].map(([step, token]): Secret => [`the callback of step ${step}`, token])
        const callback = (step: string) => {
          const token = tokens.get(step)
          return token && callbacks.url(token)
        }
        return { ...(await environmentOf(environmentId, sealedSecrets, runKey, secrets)), callback }
      }
      return environmentOf(environmentId, sealedSecrets, runKey)
    },

    lending(environmentId, lent) {
      const version = environmentId === null ? undefined : open(environmentId)
      const lend = (opened: Version | undefined): Environment =>
        lent.length === 0
          ? (opened?.alone ?? emptyEnvironment)
          : makeEnvironment(opened?.variables ?? {}, {}, keysOf(lent))
      return version instanceof Promise ? version.then(lend) : lend(version)
    },
  }
}
