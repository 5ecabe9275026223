import { isObject } from '../lib/json/json-object.ts'

/** A value in TOML, on one line: JSON's texts are TOML's, its objects are inline tables. */
export const tomlValue = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`
  if (isObject(value)) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined && member !== null)
    return `{ ${members.map(([name, member]) => `${tomlValue(name)} = ${tomlValue(member)}`).join(', ')} }`
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return JSON.stringify(String(value)).replaceAll('\x7f', '\\u007F')
}
