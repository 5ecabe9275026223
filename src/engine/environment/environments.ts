import { LRUCache } from 'lru-cache'
import type { Queries } from '../../database/database.ts'
import type { LentKeys } from '../../model/collections/trial.ts'
import { runSecretsSeal } from '../../store/secrets/sealed-texts.ts'
import { type Environment, emptyEnvironment, makeEnvironment } from './environment.ts'
import { readRunSecrets } from './run-secrets.ts'

/** Opened environments kept at hand. A version never changes, so it never grows old. */
const mostKept = 200

export interface Environments {
  /** That of a run: the version of its collection it started with, its own secrets, and what is lent to it. */
  of(environmentId: number | null, sealedSecrets: string | null, runKey: string): Promise<Environment>
  /** That of a call which is no run: a version, and the keys of these names as lent ones. */
  lending(environmentId: number | null, lent: readonly string[]): Environment | Promise<Environment>
}

/** What environments are opened with. */
export interface EnvironmentSources {
  /** Opens a version of a collection's variables. */
  openEnvironment(environmentId: number): Promise<Record<string, string>>
  /** Opens the sealed secrets of a run. */
  sealer: { open(sealed: string, boundTo: string): string }
  /** Provider keys of the server that a trial may use. */
  lentKeys: Pick<LentKeys, 'value'>
}

interface Version {
  variables: Record<string, string>
  /** What it is without secrets of a run. */
  alone: Environment
}

/** A text from outside as it may be kept with a run: what the run has for secrets is struck out. */
export const withoutSecrets = async (
  { database, environments }: { database: Queries; environments: Pick<Environments, 'of'> },
  runKey: string,
  text: string,
): Promise<string> => {
  const [run] = await database.rows<{ environment_id: number | null; sealed_secrets: string | null }>(
    'environment_of_run',
    'select environment_id, sealed_secrets from runs where id = $1',
    [runKey],
  )
  return run ? (await environments.of(run.environment_id, run.sealed_secrets, runKey)).scrub.text(text) : text
}

/** Opens environments, and keeps those of collections at hand. */
export const makeEnvironments = (options: EnvironmentSources): Environments => {
  const versions = new LRUCache<number, Version | Promise<Version>>({ max: mostKept })

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

  /** A key that the server has stopped to lend is missing like any other. */
  const keysOf = (lent: readonly string[]): Record<string, string> =>
    Object.fromEntries(lent.map((name) => [name, options.lentKeys.value(name) ?? '']).filter(([, key]) => key !== ''))

  return {
    async of(environmentId, sealedSecrets, runKey) {
      if (environmentId === null && sealedSecrets === null) return emptyEnvironment
      const version = environmentId === null ? undefined : await open(environmentId)
      if (sealedSecrets === null) return version?.alone ?? emptyEnvironment
      const { secrets, lent } = readRunSecrets(options.sealer.open(sealedSecrets, runSecretsSeal(runKey)))
      return makeEnvironment(version?.variables ?? {}, secrets, keysOf(lent))
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
