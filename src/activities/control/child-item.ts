import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { asText } from '../../lib/text/as-text.ts'
import type { Json } from '../activity.ts'

/** How an item becomes the `init_params` of its child run. */
export interface ItemShape {
  /** Parameters of every child run. */
  shared: Record<string, Json>
  /** Name of the parameter that holds the item; undefined for none. */
  itemName: string | undefined
  /** True if the item's members become parameters. */
  spread: boolean
  /**
   * Parameters derived from the item in the syntax of older workflows: `{{ $item }}`, `{{ $item.name }}`, `{{ $index
   * }}`.
   */
  mapping: Record<string, Json>
}

/** Maximum placeholders of a mapping (real ones have a handful): each is resolved for each item. */
const mostPlaceholders = 1_000

const placeholder = /\{\{\s*\$(item|index)((?:\.[\w-]+)*)\s*\}\}/g
const wholePlaceholder = /^\s*\{\{\s*\$(item|index)((?:\.[\w-]+)*)\s*\}\}\s*$/

const lookUp = (root: string, path: string, item: Json, index: number): Json => {
  if (root === 'index') return index
  let value = item
  for (const name of path.split('.').slice(1)) {
    const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    if (!isThere) throw new AppError('parameter_invalid', `data_mapping: item ${index} has no '${path.slice(1)}'`)
    value = (value as Record<string, Json>)[name]
  }
  return value
}

/** Counts the size of a filled mapping; throws above the limit. */
type Charge = (characters: number) => void

/**
 * Fills a template. A text that is only a placeholder becomes the value itself; in other texts the value is inserted as
 * text.
 */
const mapped = (template: Json, item: Json, index: number, charge: Charge): Json => {
  if (typeof template === 'string') {
    const whole = wholePlaceholder.exec(template)
    if (whole) return charged(lookUp(whole[1] ?? '', whole[2] ?? '', item, index), charge)
    return template.replace(placeholder, (_, root: string, path: string) =>
      charged(asText(lookUp(root, path, item, index)), charge),
    )
  }
  if (Array.isArray(template)) return template.map((one) => mapped(one, item, index, charge))
  if (!isObject(template)) return template
  return Object.fromEntries(Object.entries(template).map(([name, one]) => [name, mapped(one, item, index, charge)]))
}

const charged = <Value extends Json>(value: Value, charge: Charge): Value => {
  charge(typeof value === 'string' ? value.length : (JSON.stringify(value)?.length ?? 0))
  return value
}

const placeholdersIn = (mapping: Record<string, Json>): number =>
  JSON.stringify(mapping).match(placeholder)?.length ?? 0

/** Throws `parameter_invalid` for a mapping too large to be filled quickly for many items. */
export const checkMapping = (mapping: Record<string, Json>): void => {
  const count = placeholdersIn(mapping)
  if (count <= mostPlaceholders) return
  throw new AppError(
    'parameter_invalid',
    `data_mapping has ${count} placeholders; at most ${mostPlaceholders} are allowed`,
  )
}

/** Checks the size of one child run's parameters as JSON. */
export const checkParamsSize = (characters: number, maxBytes: number, which: string): void => {
  if (characters <= maxBytes) return
  throw new AppError('too_large', `${which} is larger than the limit of init_params (${byteSize(maxBytes)})`, {
    hint: 'Save large values as files and pass their paths on, or raise JETTY_MAX_INIT_PARAMS_BYTES.',
  })
}

/**
 * Builds the parameters of an item's run. Throws, naming the item, when it does not fit the mapping or exceeds
 * `maxBytes`.
 */
export const paramsOfItem = (shape: ItemShape, item: Json, index: number, maxBytes: number): Record<string, Json> => {
  let size = 0
  const charge: Charge = (characters) => {
    size += characters
    checkParamsSize(size, maxBytes, `The result of data_mapping for item ${index}`)
  }
  const params = { ...shape.shared, ...(mapped(shape.mapping, item, index, charge) as Record<string, Json>) }
  if (shape.spread) {
    if (!isObject(item)) {
      throw new AppError('parameter_invalid', `spread_items needs objects, but item ${index} is not an object`)
    }
    return { ...params, ...item }
  }
  return shape.itemName === undefined ? params : { ...params, [shape.itemName]: item }
}
