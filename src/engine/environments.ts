import { runSecretsSeal } from '../store/sealed-texts.ts'
import type { EngineContext } from './context.ts'
import type { EngineOptions } from './engine.ts'
import { type Environment, emptyEnvironment, makeEnvironment } from './environment.ts'
import { readRunSecrets } from './run-secrets.ts'

/** Opened environments kept at hand. A version never changes, so it never grows old. */
const mostKept = 200

export interface Environments {
  /** That of a run: the version of its collection it started with, its own secrets, and what is lent to it. */
  of: EngineContext['environments']['of']
  /** That of a call which is no run: a version, and the keys of these names as lent ones. */
  lending(environmentId: number | null, lent: readonly string[]): Promise<Environment>
}

/** Opens environments, and keeps those of collections at hand. */
export const makeEnvironments = (
  options: Pick<EngineOptions, 'openEnvironment' | 'sealer' | 'lentKeys'>,
): Environments => {
  const versions = new Map<number, Promise<{ variables: Record<string, string>; alone: Environment }>>()

  const open = (id: number) => {
    const known = versions.get(id)
    if (known) return known
    const opened = options.openEnvironment(id).then((variables) => ({
      variables,
      alone: makeEnvironment(variables, {}),
    }))
    opened.catch(() => versions.delete(id))
    versions.set(id, opened)
    for (const oldest of versions.keys()) {
      if (versions.size <= mostKept) break
      versions.delete(oldest)
    }
    return opened
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

    async lending(environmentId, lent) {
      const version = environmentId === null ? undefined : await open(environmentId)
      if (lent.length === 0) return version?.alone ?? emptyEnvironment
      return makeEnvironment(version?.variables ?? {}, {}, keysOf(lent))
    },
  }
}
