import { z } from 'zod'
import { AppError, messageOf } from '../../lib/errors.ts'
import { jsonSize } from '../../lib/memory/json-memory.ts'
import { type ActivityContext, activity, type Json } from '../activity.ts'
import { type ItemsWork, itemOperators, shapeItems } from './items.ts'
import { findExpressionFaults, jsonInput, mostExpressionCharacters, shape } from './shape.ts'

/**
 * Longer lists would keep the server from other work, so they go to a process: a search of a long text in another takes
 * the product of both lengths, and so does what a join makes.
 */
const inlineCharacters = 64 * 1024
const inlineJoinCharacters = 16 * 1024

const reshape = async (work: ItemsWork, context: ActivityContext): Promise<Json[]> => {
  const most = work.do === 'join' ? inlineJoinCharacters : inlineCharacters
  if (jsonSize(work, most) > most) {
    return (await shape({ kind: 'items', input: await jsonInput(work, context) }, work.do, context)) as Json[]
  }
  try {
    return shapeItems(work)
  } catch (error) {
    throw new AppError('activity_failed', `'${work.do}' failed: ${messageOf(error)}`, {
      hint: 'Join on a field with different values, or filter the lists first.',
    })
  }
}

const list = z.array(z.unknown())
const objects = z.array(z.record(z.string(), z.unknown()))
const field = z.string().min(1).max(500)
const fields = z.union([field, z.array(field).min(1).max(20)])
const items = list.describe('The list; usually items_path.').meta({ aliases: ['list', 'data', 'input', 'rows'] })
const asList = (names: string | string[] | undefined): string[] =>
  names === undefined ? [] : typeof names === 'string' ? [names] : names
const result = {
  items: list.describe('The resulting list.'),
  count: z.number().int().describe('Number of its items.'),
}
const paths = 'A field is a name, or names separated by dots: customer.name.'

/** Keeps the items that satisfy a condition. */
export const filterItems = activity({
  name: 'filter_items',
  category: 'data',
  description: 'Keeps the items of a list whose field satisfies a condition.',
  parameters: z.object({
    items,
    field: field
      .optional()
      .describe('Field of each item to test; default: the item itself.')
      .meta({ aliases: ['key', 'by'] }),
    operator: z
      .enum(itemOperators)
      .default('=')
      .describe('How the field is compared with value.')
      .meta({ aliases: ['op', 'operation'] }),
    value: z.unknown().optional().describe('Value to compare with; for in a list, for exists true or false.'),
  }),
  outputs: z.object({ ...result, dropped: z.number().int().describe('Number of items left out.') }),
  example: {
    activity: 'filter_items',
    items_path: 'init_params.orders',
    field: 'status',
    operator: '=',
    value: 'open',
  },
  gotchas: [paths, 'A text never equals a number: "5" is not 5. For several conditions use transform.'],
  pure: true,
  async run({ items, field, operator, value }, context) {
    const kept = await reshape({ do: 'filter', items, field, operator, value }, context)
    return { items: kept, count: kept.length, dropped: items.length - kept.length }
  },
})

/** Sorts a list by fields. */
export const sortItems = activity({
  name: 'sort_items',
  category: 'data',
  description: 'Sorts a list by one or several fields; items that are equal keep their order.',
  parameters: z.object({
    items,
    by: fields
      .optional()
      .describe('Field, or fields in order of importance; default: the items themselves.')
      .meta({ aliases: ['field', 'key', 'sort_by'] }),
    order: z
      .enum(['asc', 'desc'])
      .default('asc')
      .describe('asc: smallest first. desc: largest first.')
      .meta({ aliases: ['direction'] }),
  }),
  outputs: z.object(result),
  example: { activity: 'sort_items', items_path: 'init_params.orders', by: 'amount', order: 'desc' },
  gotchas: [paths, 'Numbers come before texts, and items without the field last. Texts are compared by code point.'],
  pure: true,
  async run({ items, by, order }, context) {
    const fieldNames = by === undefined ? [''] : asList(by)
    const sorted = await reshape({ do: 'sort', items, by: fieldNames, descending: order === 'desc' }, context)
    return { items: sorted, count: sorted.length }
  },
})

/** Groups a list by a field. */
export const groupItems = activity({
  name: 'group_items',
  category: 'data',
  description: 'Groups the items of a list by the value of a field.',
  parameters: z.object({
    items,
    by: field.describe('Field to group by.').meta({ aliases: ['field', 'key', 'group_by'] }),
  }),
  outputs: z.object({
    groups: list.describe('A list of {key, items, count}, in the order in which the keys first occur.'),
    count: z.number().int().describe('Number of groups.'),
  }),
  example: { activity: 'group_items', items_path: 'init_params.orders', by: 'customer.id' },
  gotchas: [paths, 'Items without the field form the group with the key null.'],
  pure: true,
  async run({ items, by }, context) {
    const groups = await reshape({ do: 'group', items, by }, context)
    return { groups, count: groups.length }
  },
})

/** Leaves repeated items out. */
export const uniqueItems = activity({
  name: 'unique_items',
  category: 'data',
  description: 'Keeps the first of the items that are equal, or equal in the given fields.',
  parameters: z.object({
    items,
    by: fields
      .optional()
      .describe('Field or fields that are compared; default: the whole item.')
      .meta({ aliases: ['field', 'key'] }),
  }),
  outputs: z.object({ ...result, dropped: z.number().int().describe('Number of items left out.') }),
  example: { activity: 'unique_items', items_path: 'init_params.orders', by: 'id' },
  gotchas: [paths, 'The order of the members of an object does not matter.'],
  pure: true,
  async run({ items, by }, context) {
    const kept = await reshape({ do: 'unique', items, by: asList(by) }, context)
    return { items: kept, count: kept.length, dropped: items.length - kept.length }
  },
})

const noField = "Parameter 'on' is missing: name the field to compare, or left_on and right_on"

/** Joins two lists of objects by a field. */
export const joinItems = activity({
  name: 'join_items',
  category: 'data',
  description: 'Joins two lists of objects: items with equal fields become one object.',
  parameters: z.object({
    left: objects.describe('First list; its members win where both objects have the same name.'),
    right: objects.describe('Second list.'),
    on: field
      .optional()
      .describe('Field that is compared in both lists.')
      .meta({ aliases: ['by', 'key'] }),
    left_on: field.optional().describe('Field of the first list; default: on.'),
    right_on: field.optional().describe('Field of the second list; default: on.'),
    keep: z
      .enum(['matching', 'left'])
      .default('matching')
      .describe('left: items of the first list without a match are kept too.'),
  }),
  outputs: z.object(result),
  example: {
    activity: 'join_items',
    left_path: 'init_params.orders',
    right_path: 'init_params.customers',
    left_on: 'customer_id',
    right_on: 'id',
  },
  gotchas: [paths, 'An item with several matches is repeated: at most 100,000 items come out. null matches nothing.'],
  pure: true,
  findFaults: ({ has }) =>
    has('on') || (has('left_on') && has('right_on')) ? [] : [{ parameter: 'on', message: noField }],
  async run({ left, right, on, left_on, right_on, keep }, context) {
    const leftField = left_on ?? on
    const rightField = right_on ?? on
    if (leftField === undefined || rightField === undefined) {
      throw new AppError('parameter_invalid', noField)
    }
    const joined = await reshape({ do: 'join', left, right, on: [leftField, rightField], keep }, context)
    return { items: joined, count: joined.length }
  },
})

/** Reshapes data by an expression. */
export const transform = activity({
  name: 'transform',
  category: 'data',
  description: 'Reshapes data with a JSONata expression: select, rename, filter, join, compute, aggregate.',
  parameters: z.object({
    expression: z
      .string()
      .min(1)
      .max(mostExpressionCharacters)
      .describe('JSONata expression over the input. It is used as written: no {{ path }} in it.')
      .meta({ aliases: ['jsonata', 'code', 'expr', 'script'], input: 'code', language: 'jsonata' }),
    input: z
      .unknown()
      .optional()
      .describe('The data: usually input_path, or an object of paths such as {"orders_path": "read.outputs.value"}.')
      .meta({ aliases: ['data', 'json', 'value', 'items'] }),
  }),
  outputs: z.object({
    result: z.unknown().describe('The value of the expression; null if it leads to nothing.'),
    count: z.number().int().describe('Number of elements of a list; 1 for another value, 0 for nothing.'),
  }),
  example: {
    activity: 'transform',
    input: { orders_path: 'init_params.orders', rate: 1.1 },
    expression: 'orders[status = "open"].{"id": id, "total": $round(amount * $$.rate, 2)}',
  },
  nested: ['input'],
  literal: ['expression'],
  reads: { parameter: 'expression', findFaults: findExpressionFaults },
  alsoCalled: ['map', 'jsonata', 'jq', 'set', 'edit_fields', 'reshape', 'aggregate'],
  gotchas: [
    'A path that finds one element gives the element, and one that finds none gives null: write [expression] to always get a list.',
    'Inside of a path $$ is the whole input, as in orders.(amount * $$.rate).',
    'It is ended after JETTY_TRANSFORM_SECONDS, and above JETTY_TRANSFORM_MEMORY_BYTES.',
    'A replay takes the recorded result, also of $now() and $random().',
  ],
  async run({ expression, input }, context) {
    const work = { kind: 'transform' as const, expression, input: await jsonInput(input ?? null, context) }
    const result = await shape(work, 'The expression', context)
    return { result, count: Array.isArray(result) ? result.length : result === null ? 0 : 1 }
  },
})
