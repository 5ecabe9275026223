import {
  bindingOf,
  type CollectionSettings,
  changedSettings,
  collectionSettingNames,
  type SetCollectionSettings,
  type SettingName,
  type ShownSettings,
  shownSettings,
} from './collection-settings.ts'

type Settings = Partial<CollectionSettings>

/** The settings of a collection by who has set them: the operator with the admin token, and keys of the collection. */
export interface SettingsLayers {
  operator: Settings
  keys: Settings
}

/** Why keys may not set a value: the member of the request, and a sentence. */
interface SettingRefusal {
  path: string[]
  message: string
}

const isNumber = (value: unknown): value is number => typeof value === 'number'
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const hostParts = (entry: string) => {
  const [, name = '', port] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
  return { name, port }
}

/** Whether every address that an entry of `allowed_hosts` allows is allowed by some other entry. */
const isWithin = (entry: string, allowed: readonly string[]): boolean => {
  const { name, port } = hostParts(entry)
  return allowed.map(hostParts).some((other) => {
    if (other.port !== undefined && other.port !== port) return false
    return name === other.name || (other.name.startsWith('*.') && name.replace(/^\*/, '').endsWith(other.name.slice(1)))
  })
}

/** Finds what in a value of keys goes beyond that of the operator, which may be undefined. */
const beyond = (name: SettingName, operator: unknown, value: unknown, path: string[]): SettingRefusal | undefined => {
  const field = path.join('.')
  switch (bindingOf(name)) {
    case 'operator':
      return { path, message: `Only the admin token can change the ${field} of a collection` }
    case 'fixed':
      if (operator === undefined || JSON.stringify(operator) === JSON.stringify(value)) return undefined
      return { path, message: `The operator of this server has set ${field}; keys cannot change it` }
    case 'at_most':
      if (isObject(operator) && isObject(value)) return beyondMembers(name, operator, value, path)
      if (!isNumber(operator) || !isNumber(value) || value <= operator) return undefined
      return { path, message: `The operator of this server has set ${field} to ${operator}; keys may only set less` }
    case 'within': {
      const other = operator && (value as string[]).find((host) => !isWithin(host, operator as string[]))
      return other ? { path, message: `'${other}' is not among the ${field} that the operator has set` } : undefined
    }
    case 'besides':
      return undefined
  }
}

const beyondMembers = (
  name: SettingName,
  operator: Record<string, unknown>,
  value: Record<string, unknown>,
  path: string[],
): SettingRefusal | undefined => {
  for (const [member, limit] of Object.entries(operator)) {
    const found = beyond(name, limit, value[member], [...path, member])
    if (found) return found
  }
  return undefined
}

/** What is in force of a setting that both have set. */
const combined = (name: SettingName, operator: unknown, keys: unknown): unknown => {
  switch (bindingOf(name)) {
    case 'operator':
    case 'fixed':
      return operator
    case 'at_most':
      if (isNumber(operator) && isNumber(keys)) return Math.min(operator, keys)
      if (!isObject(operator) || !isObject(keys)) return operator ?? keys
      return Object.fromEntries(
        [...new Set([...Object.keys(operator), ...Object.keys(keys)])].map((member) => [
          member,
          combined(name, operator[member], keys[member]),
        ]),
      )
    case 'within':
      return (keys as string[]).filter((host) => isWithin(host, operator as string[]))
    case 'besides':
      return [...new Set([...(operator as string[]), ...(keys as string[])])]
  }
}

/** The settings that are in force. */
export const boundSettings = ({ operator, keys }: SettingsLayers): Settings => {
  const both = collectionSettingNames.filter((name) => operator[name] !== undefined && keys[name] !== undefined)
  const settled = both.map((name) => [name, combined(name, operator[name], keys[name])])
  return { ...keys, ...operator, ...Object.fromEntries(settled) }
}

/** The members of a change that are reset to their defaults, within objects too. */
const onlyResets = (change: Record<string, unknown>): Record<string, unknown> => {
  const resets = Object.entries(change).filter(([, value]) => value === null || isObject(value))
  return Object.fromEntries(resets.map(([name, value]) => [name, isObject(value) ? onlyResets(value) : null]))
}

/** A change by the operator. What keys have set is forgotten where it goes beyond that, and where it is reset. */
export const changeByOperator = ({ operator, keys }: SettingsLayers, change: SetCollectionSettings): SettingsLayers => {
  const changed = changedSettings(operator, change)
  const left = changedSettings(keys, onlyResets(change) as SetCollectionSettings)
  const kept = collectionSettingNames.filter(
    (name) =>
      left[name] !== undefined && (changed[name] === undefined || !beyond(name, changed[name], left[name], [name])),
  )
  return { operator: changed, keys: Object.fromEntries(kept.map((name) => [name, left[name]])) }
}

/** A change by a key of the collection. `server` are settings of the server that bind as those of the operator do. */
export const changeByKey = (
  { operator, keys }: SettingsLayers,
  change: SetCollectionSettings,
  server: Settings,
): SettingsLayers | { refused: SettingRefusal } => {
  const changed = changedSettings(keys, change)
  for (const name of collectionSettingNames) {
    if (change[name] === undefined || (changed[name] === undefined && bindingOf(name) !== 'operator')) continue
    const refused = beyond(name, operator[name] ?? server[name], changed[name], [name])
    if (refused) return { refused }
  }
  return { operator, keys: changed }
}

const setBy = ({ operator, keys }: SettingsLayers): ShownSettings['set_by'] =>
  Object.fromEntries(
    collectionSettingNames.flatMap((name) => {
      const [byOperator, byKeys] = [operator[name] !== undefined, keys[name] !== undefined]
      if (!byOperator && !byKeys) return []
      return [[name, byOperator && byKeys ? 'both' : byOperator ? 'operator' : 'keys']]
    }),
  )

/** All settings that are in force, null for the default, with who has set them. */
export const shownLayers = (layers: SettingsLayers): ShownSettings => ({
  ...shownSettings(boundSettings(layers)),
  set_by: setBy(layers),
  operator: layers.operator,
})
