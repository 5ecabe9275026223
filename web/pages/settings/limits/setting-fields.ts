import type {
  CollectionSettings,
  SetCollectionSettings,
  ShownSettings,
} from '../../../../src/model/collections/collection-settings.ts'

/** How a setting is entered: a number, a switch with three positions, or a list with a line for each entry. */
export type SettingKind = 'number' | 'whole' | 'switch' | 'lines'

/** One field of a form of settings. */
export interface SettingField {
  /** Name in the API; a dot leads into a group, as in `budget.usd_per_day`. */
  name: string
  label: string
  hint: string
  kind: SettingKind
  /** What an empty entry means. */
  empty: string
}

type Value = string | number | boolean | readonly string[] | null

const settingAt = (settings: CollectionSettings, name: string): Value => {
  const [group = '', member] = name.split('.')
  const found = (settings as Record<string, unknown>)[group] ?? null
  if (member === undefined || found === null) return (member === undefined ? found : null) as Value
  return ((found as Record<string, unknown>)[member] ?? null) as Value
}

/** The entry that stands for the value of a setting. */
export const entryOfSetting = (settings: CollectionSettings, { name, kind }: SettingField): string => {
  const value = settingAt(settings, name)
  if (value === null) return ''
  if (kind === 'lines') return Array.isArray(value) && value.length > 0 ? value.join('\n') : '(none)'
  return String(value)
}

/** What the operator of the server has set of a setting, which binds keys; undefined: nothing. */
export const operatorNote = (
  { operator }: Pick<ShownSettings, 'operator'>,
  { name, kind }: SettingField,
): string | undefined => {
  const value = settingAt(operator as CollectionSettings, name)
  if (value === null) return undefined
  const shown = kind === 'switch' ? (value ? 'Yes' : 'No') : Array.isArray(value) ? value.join(', ') || 'none' : value
  return `Set by the operator of the server: ${shown}.`
}

/** Why an entry cannot be a value; undefined: it can. */
export const entryFault = ({ kind }: SettingField, entry: string): string | undefined => {
  const text = entry.trim()
  if (text === '' || kind === 'switch' || kind === 'lines') return undefined
  if (kind === 'whole') return /^\d+$/.test(text) && Number(text) >= 1 ? undefined : 'Write a whole number from 1 on'
  return Number(text) > 0 && Number.isFinite(Number(text)) ? undefined : 'Write a number above 0, such as 12.50'
}

const settingOfEntry = ({ kind }: SettingField, entry: string): Value => {
  const text = entry.trim()
  if (text === '') return null
  if (kind === 'switch') return text === 'true'
  if (kind !== 'lines') return Number(text)
  if (text === '(none)') return []
  return text.split(/[\s,]+/).filter((line) => line !== '')
}

/** The change that entries make of the settings: only what differs, so that no other limit is touched. */
export const changeOfEntries = (
  settings: CollectionSettings,
  fields: readonly SettingField[],
  entries: Readonly<Record<string, string>>,
): SetCollectionSettings => {
  const change: Record<string, unknown> = {}
  for (const field of fields) {
    const entry = entries[field.name]
    if (entry === undefined || entry.trim() === entryOfSetting(settings, field)) continue
    const [group = '', member] = field.name.split('.')
    const value = settingOfEntry(field, entry)
    if (member === undefined) change[group] = value
    else change[group] = { ...(change[group] as object | undefined), [member]: value }
  }
  return change as SetCollectionSettings
}
