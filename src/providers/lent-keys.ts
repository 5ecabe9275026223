import { AppError } from '../lib/errors.ts'
import { nearest } from '../lib/text/nearest.ts'
import type { LentKeys } from '../model/collections/trial.ts'
import { providerKeyNames } from '../model/gateway/provider-keys.ts'
import { catalogue } from './catalogue.ts'
import { replicate } from './predictions.ts'
import type { LookUpVariable } from './provider.ts'

const variable = 'JETTY_TRIAL_KEYS'

const providers = [...catalogue, replicate]
const knownNames = new Set([...providerKeyNames, ...providers.flatMap(({ keys }) => keys)])

/** Lists all variables that may hold the key of the same provider. */
const sameProvider = (name: string): string[] => [
  name,
  ...providers.filter(({ keys }) => keys.includes(name)).flatMap(({ keys }) => keys),
]

const keyOf = (name: string, variables: LookUpVariable): string => {
  if (!knownNames.has(name)) {
    const guess = nearest(name, knownNames)
    throw new AppError('invalid', `${variable} names ${name}, which is not the key of a model provider`, {
      hint: guess ? `Did you mean ${guess}?` : `Such names are ${providerKeyNames.join(', ')}.`,
    })
  }
  const key = variables(name)?.trim()
  if (key) return key
  throw new AppError('invalid', `${variable} names ${name}, but the environment of the server has no such variable`, {
    hint: `Set ${name} to the key that is to be lent, or take the name out of ${variable}.`,
  })
}

/** Reads the keys that the server lends. Throws if one is missing, or is not the key of a model provider. */
export const readLentKeys = (names: readonly string[], variables: LookUpVariable): LentKeys => {
  const keys = new Map(names.map((name) => [name, keyOf(name, variables)]))
  return {
    names: [...keys.keys()],
    value: (name) => keys.get(name),
    missingIn: (env) => [...keys.keys()].filter((name) => !sameProvider(name).some((one) => env(one)?.trim())),
  }
}
