import { isObject } from '../../lib/json/json-object.ts'

/** Writes a value as TOML on one line: JSON strings are TOML strings, objects become inline tables. */
export const tomlValue = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`
  if (isObject(value)) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined && member !== null)
    return `{ ${members.map(([name, member]) => `${tomlValue(name)} = ${tomlValue(member)}`).join(', ')} }`
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return JSON.stringify(String(value)).replaceAll('\x7f', '\\u007F')
}
