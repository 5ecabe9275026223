import { asText } from '../../lib/as-text.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json-object.ts'
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

/** A text that is nothing but a placeholder becomes the value itself, in any other text its text stands. */
const mapped = (template: Json, item: Json, index: number): Json => {
  if (typeof template === 'string') {
    const whole = wholePlaceholder.exec(template)
    if (whole) return lookUp(whole[1] ?? '', whole[2] ?? '', item, index)
    return template.replace(placeholder, (_, root: string, path: string) => asText(lookUp(root, path, item, index)))
  }
  if (Array.isArray(template)) return template.map((one) => mapped(one, item, index))
  if (!isObject(template)) return template
  return Object.fromEntries(Object.entries(template).map(([name, one]) => [name, mapped(one, item, index)]))
}

/** Throws `parameter_invalid`, naming the item, where it does not fit. */
export const paramsOfItem = (shape: ItemShape, item: Json, index: number): Record<string, Json> => {
  const params = { ...shape.shared, ...(mapped(shape.mapping, item, index) as Record<string, Json>) }
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
