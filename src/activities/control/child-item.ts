import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { asText } from '../../lib/text/as-text.ts'
import type { Json } from '../activity.ts'

/** How one item becomes the `init_params` of its run. */
export interface ItemShape {
  /** What every run gets. */
  shared: Record<string, Json>
  /** The parameter under which the item stands; undefined: under none. */
  itemName: string | undefined
  /** Its members are parameters of their own. */
  spread: boolean
  /** Parameters made of the item, as older workflows write it: `{{ $item }}`, `{{ $item.name }}`, `{{ $index }}`. */
  mapping: Record<string, Json>
}

/** A mapping has a handful. Each is looked up for each of the items. */
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

/** Counts what becomes of a mapping; throws where it is more than may be. */
type Charge = (characters: number) => void

/** A text that is nothing but a placeholder becomes the value itself, in any other text its text stands. */
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

/** Throws `parameter_invalid` where a mapping could not be looked up for many items in a moment. */
export const checkMapping = (mapping: Record<string, Json>): void => {
  const count = placeholdersIn(mapping)
  if (count <= mostPlaceholders) return
  throw new AppError(
    'parameter_invalid',
    `data_mapping has ${count} placeholders; at most ${mostPlaceholders} are filled`,
  )
}

/** What the parameters of one run may be together, as JSON. */
export const checkParamsSize = (characters: number, maxBytes: number, which: string): void => {
  if (characters <= maxBytes) return
  throw new AppError('too_large', `${which} is larger than init_params may be (${byteSize(maxBytes)})`, {
    hint: 'Save large values as files and pass their paths on, or raise JETTY_MAX_INIT_PARAMS_BYTES.',
  })
}

/** Throws, naming the item, where it does not fit or would be larger than `maxBytes`. */
export const paramsOfItem = (shape: ItemShape, item: Json, index: number, maxBytes: number): Record<string, Json> => {
  let size = 0
  const charge: Charge = (characters) => {
    size += characters
    checkParamsSize(size, maxBytes, `What data_mapping makes of item ${index}`)
  }
  const params = { ...shape.shared, ...(mapped(shape.mapping, item, index, charge) as Record<string, Json>) }
  if (shape.spread) {
    if (!isObject(item)) {
      throw new AppError(
        'parameter_invalid',
        `spread_items: item ${index} is no object, so it has no members to spread`,
      )
    }
    return { ...params, ...item }
  }
  return shape.itemName === undefined ? params : { ...params, [shape.itemName]: item }
}
