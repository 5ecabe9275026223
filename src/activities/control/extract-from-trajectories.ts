import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { activity, type Json } from '../activity.ts'

const reference = z.union([z.string().min(1), z.looseObject({ trajectory_id: z.string().min(1) })])

const parameters = z.object({
  trajectory_list_path: z
    .unknown()
    .describe('A path to the runs: the trajectory_references of list_emit_await. Plain ids are accepted too.')
    .meta({ aliases: ['trajectory_ids', 'trajectory_list'] }),
  extract_keys: z
    .union([z.record(z.string(), z.string().min(1)), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe('The values to read: {name: path in the run}, such as {"summary": "analysis.outputs.summary"}. Required.')
    .meta({ aliases: ['extract_paths'] }),
  flatten_results: z
    .boolean()
    .default(false)
    .describe(
      'Return one flat list of all values instead of an object per run; values that are lists are flattened by one level.',
    ),
})

const idsOf = (given: Json): string[] => {
  const parsed = z.array(reference).safeParse(given)
  if (parsed.success) return parsed.data.map((one) => (typeof one === 'string' ? one : one.trajectory_id))
  if (given === undefined || given === null) throw new AppError('parameter_invalid', 'trajectory_list_path is required')
  throw new AppError(
    'parameter_invalid',
    'trajectory_list_path must point at a list of references {trajectory_id, …} or of trajectory ids',
    { hint: 'Use the output trajectory_references of a list_emit_await step.' },
  )
}

/** Output names: a list of paths names each value by the path's last segment. */
const keysOf = (given: Record<string, string> | string[] | undefined): [string, string][] => {
  if (!given) throw new AppError('parameter_invalid', 'extract_keys is required')
  if (!Array.isArray(given)) return Object.entries(given)
  return given.map((path) => [path.split(/[.[\]]+/).findLast((part) => part !== '' && part !== '*') ?? path, path])
}

/** Reads values of other runs. */
export const extractFromTrajectories = activity({
  name: 'extract_from_trajectories',
  category: 'control',
  lenient: true,
  names: ['extract_keys'],
  description: 'Reads values from the runs that list_emit_await started, in the order of its items.',
  parameters,
  outputs: z.object({
    extracted_data: z
      .array(z.unknown())
      .describe(
        'An object {name: value} for each run, with null for a missing value; with flatten_results a list of all values.',
      ),
    by_key: z.record(z.string(), z.array(z.unknown())).describe('The same values by name: one value per run.'),
    count: z.number().int().describe('Number of runs.'),
    errors: z
      .array(z.object({ trajectory_id: z.string(), key: z.string(), reason: z.string() }))
      .describe('The missing values, with the reason.'),
  }),
  example: {
    activity: 'extract_from_trajectories',
    trajectory_list_path: 'fan_out.outputs.trajectory_references',
    extract_keys: { summary: 'analysis.outputs.summary' },
  },
  gotchas: [
    'A path begins with the name of a step of the child, or with init_params.',
    'A missing value is null and listed in errors; it does not fail the step.',
  ],
  async run({ trajectory_list_path: list, extract_keys: given, flatten_results: flat }, context) {
    const ids = idsOf(list)
    const keys = keysOf(given)
    const rows = await context.runs.read({ trajectory_ids: ids, paths: keys.map(([, path]) => path) })
    const byKey: [string, Json[]][] = keys.map(([key]) => [key, []])
    const errors: { trajectory_id: string; key: string; reason: string }[] = []
    const objects = rows.map((row, at) => {
      const values = row.map((reading, which): [string, Json] => {
        const key = keys[which]?.[0] ?? ''
        if (!reading.found) errors.push({ trajectory_id: ids[at] ?? '', key, reason: reading.reason })
        return [key, reading.found ? (reading.value ?? null) : null]
      })
      for (const [which, [, value]] of values.entries()) byKey[which]?.[1].push(value)
      return Object.fromEntries(values)
    })
    return {
      extracted_data: flat ? objects.flatMap((one) => Object.values(one)).flat(1) : objects,
      by_key: Object.fromEntries(byKey),
      count: ids.length,
      errors,
    }
  },
})
