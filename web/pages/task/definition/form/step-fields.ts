import { isObject, parsedJson } from '../../../../../src/lib/json/json-object.ts'
import type { StepTemplate } from '../../../../../src/model/workflows/step-template.ts'

type Parameter = StepTemplate['parameters'][number]

/** What a form knows of one parameter of a step. */
export interface StepField {
  parameter: Parameter
  /** How it is asked for: as the catalogue says, or as JSON if its value is something else. */
  input: Parameter['input']
  /** Language of code; of JSON `json-schema`, if it is one. */
  language: string | undefined
  /** Member of the config that sets it. */
  key: string
  isPath: boolean
  value: unknown
  isSet: boolean
}

type Config = Readonly<Record<string, unknown>>

const isShort = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number'

/** Whether a kind of field can show a value and write it back. */
const canShow: Partial<Record<Parameter['input'], (value: unknown) => boolean>> = {
  line: (value) => typeof value === 'string' && !value.includes('\n'),
  text: (value) => typeof value === 'string',
  code: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  list: (value) => Array.isArray(value) && value.every((one) => isShort(one) && !String(one).includes('\n')),
  pairs: isObject,
}

const inputFor = ({ input }: Parameter, value: unknown): Parameter['input'] => {
  if (value === undefined || value === null || canShow[input]?.(value) !== false) return input
  return typeof value === 'string' ? (input === 'line' ? 'text' : 'value') : 'json'
}

/** The parameters of an activity with the values that the config of a step gives them. */
export const stepFields = ({ parameters }: Pick<StepTemplate, 'parameters'>, config: Config): StepField[] =>
  parameters.map((parameter) => {
    const { name } = parameter
    const has = (key: string) => Object.hasOwn(config, key)
    const pathKey = [`${name}_path`, `${name}_path_expr`].find(has)
    const isPath = pathKey !== undefined && parameters.every((one) => one.name !== pathKey)
    const key = isPath ? pathKey : name
    const value = config[key]
    const named = parameters.find((one) => one.name === parameter.language)
    const language = named ? (config[named.name] ?? named.default) : parameter.language
    return {
      ...{ parameter, key, isPath, value, isSet: has(key) },
      input: inputFor(parameter, isPath ? undefined : value),
      language: typeof language === 'string' ? language : undefined,
    }
  })

/** Fields that are shown at once: what is set, what is needed, and what has code. The rest is one click away. */
export const isShownFirst = ({ isSet, parameter, input }: StepField): boolean =>
  isSet || parameter.required || input === 'code'

/** What stands in a field of one text for a value. */
export const fieldEntry = (input: StepField['input'], value: unknown): string => {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string' && input !== 'json' && input !== 'choice') return value
  if (input === 'list' && Array.isArray(value)) return value.join('\n')
  return JSON.stringify(value, null, input === 'json' || input === 'value' ? 2 : 0)
}

/** What an entry means: a value, nothing, or what is wrong with it. */
export type FieldReading = { value: unknown } | { error: string } | undefined

/** A text or JSON: only what has one of the types of the parameter counts as JSON, otherwise it is a text. */
const textOrJson = (entry: string, type: string): FieldReading => {
  const value = parsedJson(entry)
  const isOfType = type === 'any' ? typeof value === 'object' : type.split('|').includes(typeof value)
  const isList = Array.isArray(value) && type.includes('array')
  return value !== null && value !== undefined && typeof value !== 'string' && (isOfType || isList)
    ? { value }
    : { value: entry }
}

/** What a line of a list means: what it was before, or a number in a list that has numbers. */
const listItem = (known: readonly unknown[], line: string): unknown => {
  const same = known.find((one) => String(one) === line)
  if (same !== undefined || !known.some((one) => typeof one === 'number')) return same ?? line
  const read = parsedJson(line)
  return typeof read === 'number' ? read : line
}

/** Reads the entry of a field; undefined when nothing is entered. `before` is the value that it replaces. */
export const readEntered = ({ input, parameter, value: before }: StepField, entry: string): FieldReading => {
  if (entry.trim() === '') return undefined
  if (input === 'line' || input === 'text' || input === 'code') return { value: entry }
  if (input === 'value') return textOrJson(entry, parameter.type)
  if (input === 'list') {
    const known = Array.isArray(before) ? before : []
    const lines = entry.split('\n').map((line) => line.trim())
    return { value: lines.filter((line) => line !== '').map((line) => listItem(known, line)) }
  }
  const value = parsedJson(entry.trim())
  if (input === 'number' || input === 'integer') {
    if (typeof value !== 'number') return { error: 'Write a number, such as 12' }
    return input === 'integer' && !Number.isInteger(value) ? { error: 'Write a whole number' } : { value }
  }
  return value === undefined ? { error: 'This is not JSON: texts stand in "quotes"' } : { value }
}
