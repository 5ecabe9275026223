import { z } from 'zod'
import { activity } from '../activity.ts'
import { findExpressionFaults, jsonInput, mostExpressionCharacters, shape } from './shape.ts'

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
