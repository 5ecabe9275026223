import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { labelNameSchema, labelValueSchema } from '../../model/runs/label.ts'
import { versionRefSchema } from '../../model/version-ref.ts'
import { activity, type ChildRun, type Json, WaitForRuns } from '../activity.ts'
import { checkMapping, checkParamsSize, type ItemShape, paramsOfItem } from './child-item.ts'

/** Tolerance for floating point: 0, 0.1, … 1 has eleven numbers. */
const rounding = 1e-9

const lengthOf = (from: number, end: number, step: number): number =>
  Math.max(0, Math.floor((end - from) / step + rounding) + 1)

/** Generates evenly spaced numbers: items of a fan-out, or values of a parameter sweep. */
export const numberSequenceGenerator = activity({
  name: 'number_sequence_generator',
  category: 'control',
  description: 'Returns evenly spaced numbers, from `start` to `end` or `count` of them.',
  parameters: z.object({
    start: z.number().default(1).describe('The first number.'),
    end: z
      .number()
      .optional()
      .describe('Upper bound of the numbers; the last number if the step size reaches it exactly.'),
    count: z.number().int().min(0).optional().describe('How many numbers to return, instead of `end`.'),
    step: z.number().optional().describe('Distance between two numbers. Default: 1, or -1 if `end` is below `start`.'),
  }),
  outputs: z.object({
    numbers: z.array(z.number()).describe('The numbers, in order.'),
    items: z.array(z.number()).describe('The same numbers, under the name items.'),
    count: z.number().int().describe('How many numbers.'),
  }),
  example: { activity: 'number_sequence_generator', start: 1, end: 5 },
  pure: true,
  gotchas: ['Exactly one of `end` and `count` is required.'],
  async run({ start, end, count, step: given }, context) {
    if ((end === undefined) === (count === undefined)) {
      throw new AppError('parameter_invalid', 'Exactly one of end and count is required')
    }
    const step = given ?? (end !== undefined && end < start ? -1 : 1)
    if (step === 0) throw new AppError('parameter_invalid', 'The parameter step must not be 0')
    const length = count ?? lengthOf(start, end ?? start, step)
    const most = context.settings.sequenceNumbers
    if (length > most) {
      throw new AppError('parameter_invalid', `The sequence has ${length} numbers; at most ${most} are allowed`, {
        hint: 'Raise JETTY_SEQUENCE_NUMBERS.',
      })
    }
    const numbers = Array.from({ length }, (_, at) => rounded(start + at * step))
    return { numbers, items: numbers, count: length }
  },
})

/** Rounds floating point noise: 0.1 + 0.2 becomes 0.3. */
const rounded = (value: number): number => Number(value.toPrecision(15))

const concurrency = z.number().int().min(1)
const seconds = z.number().positive()
const defaultConcurrency = 5
const mostLabels = 20

const parameters = z.object({
  items_path: z
    .unknown()
    .describe('A path to the list of items, such as init_params.items. A literal list in items is not accepted.'),
  child_workflow_name: z
    .string()
    .min(1)
    .optional()
    .describe('The task to run for each item, in the same collection, at a version as `report@production`. Required.')
    .meta({ aliases: ['child_task_name', 'task_name'] }),
  item_param_name: z
    .string()
    .min(1)
    .optional()
    .describe('Name of the parameter that passes the item to the child run; default: item.'),
  spread_items: z
    .boolean()
    .default(false)
    .describe(
      "Pass the members of each item as the child's parameters, instead of item_param_name. The items must be objects.",
    ),
  child_init_params: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("Parameters that every child run gets beside its item; they override the task's own init_params."),
  max_concurrency: concurrency
    .optional()
    .describe('Maximum number of child runs that execute at once, over all processes; default: 5.'),
  share_concurrency: z
    .boolean()
    .default(false)
    .describe('All parallel steps of the run with this setting share one max_concurrency.'),
  continue_on_error: z
    .boolean()
    .optional()
    .describe(
      'Whether the step continues when a child run fails. Otherwise, after the first failure no further child run starts.',
    ),
  timeout_sec: seconds
    .optional()
    .describe(
      'Seconds after which unfinished child runs are cancelled; with continue_on_error the step still succeeds with the others.',
    ),
  labels: z
    .record(labelNameSchema, labelValueSchema)
    .refine((labels) => Object.keys(labels).length <= mostLabels, `At most ${mostLabels} labels`)
    .optional()
    .describe('Labels that every child run gets at its start.'),
  task_reference: z
    .looseObject({ task_name: z.string().min(1), version: versionRefSchema.or(z.number()).nullish() })
    .optional()
    .describe(
      'Deprecated form of child_workflow_name: {task_name, version}. A number as version counts versions elsewhere and is ignored.',
    ),
  data_mapping: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("Deprecated: the child's parameters as a template with {{ $item }}, {{ $item.name }} and {{ $index }}."),
  execution_config: z
    .looseObject({
      max_concurrency: concurrency.optional(),
      timeout: seconds.optional(),
      continue_on_error: z.boolean().optional(),
    })
    .optional()
    .describe('Deprecated form of max_concurrency, timeout_sec (as timeout) and continue_on_error.'),
})

type Parameters = z.output<typeof parameters>

const itemsOf = ({ items_path: items }: Parameters): Json[] => {
  if (Array.isArray(items)) return items
  const hint = 'Set it to the path of the list, for example "items_path": "init_params.items".'
  if (items === undefined || items === null) throw new AppError('parameter_invalid', 'items_path is required', { hint })
  const found = typeof items === 'string' ? `the text '${items.slice(0, 80)}'` : `a value of type ${typeof items}`
  throw new AppError('parameter_invalid', `items_path must point at a list, but points at ${found}`, { hint })
}

const taskOf = ({ child_workflow_name: name, task_reference: reference }: Parameters): string => {
  const version = typeof reference?.version === 'string' ? `@${reference.version}` : ''
  const task = name ?? (reference && `${reference.task_name}${version}`)
  if (task !== undefined) return task
  throw new AppError('parameter_invalid', 'child_workflow_name is required', {
    hint: 'Set it to the name of the task to run for each item.',
  })
}

const shapeOf = (given: Parameters): ItemShape => ({
  shared: given.child_init_params ?? {},
  itemName: given.item_param_name ?? (given.data_mapping ? undefined : 'item'),
  spread: given.spread_items,
  mapping: given.data_mapping ?? {},
})

const longestTurnMs = 10

/** Checks that all items fit before any child run starts. Yields between items, since many of them take a while. */
const checkItems = async (shape: ItemShape, items: Json[], maxBytes: number, signal: AbortSignal): Promise<void> => {
  checkMapping(shape.mapping)
  const shared = JSON.stringify(shape.shared).length
  const own = { ...shape, shared: {} }
  let since = performance.now()
  for (const [index, item] of items.entries()) {
    const size = shared + JSON.stringify(paramsOfItem(own, item, index, maxBytes)).length
    checkParamsSize(size, maxBytes, `The parameter object of the run of item ${index}`)
    if (performance.now() - since < longestTurnMs) continue
    await nextTurn()
    signal.throwIfAborted()
    since = performance.now()
  }
}

/** Outputs: one reference for each started item, in item order. */
const outputsOf = (total: number, ended: ChildRun[]) => {
  const completed = ended.filter(({ status }) => status === 'completed').length
  return {
    trajectory_references: ended.map(({ trajectory_id, name, status, index }) => ({
      trajectory_id,
      name,
      status,
      index,
    })),
    total,
    completed,
    failed: ended.length - completed,
    not_started: total - ended.length,
    trajectory_ids: ended.map(({ trajectory_id }) => trajectory_id),
  }
}

/** Starts a child run of a task for each item of a list, and waits for all of them. */
export const listEmitAwait = activity({
  name: 'list_emit_await',
  category: 'control',
  lenient: true,
  description:
    'Starts a run of another task for each item of a list, a limited number at once, and waits for all of them. The wait does not occupy a worker slot and survives restarts; every item gets exactly one run.',
  parameters,
  startsTask: 'child_workflow_name',
  names: ['labels', 'data_mapping'],
  typed: ['child_init_params'],
  outputs: z.object({
    trajectory_references: z
      .array(z.object({ trajectory_id: z.string(), name: z.string(), status: z.string(), index: z.number().int() }))
      .describe('The runs in the order of the items; name is collection/task.'),
    total: z.number().int().describe('Number of items.'),
    completed: z.number().int().describe('Runs that completed.'),
    failed: z.number().int().describe('Runs that failed or were cancelled.'),
    not_started: z.number().int().describe('Number of items without a run, because the time limit was reached first.'),
    trajectory_ids: z.array(z.string()).describe('Deprecated: only the ids.'),
  }),
  example: {
    activity: 'list_emit_await',
    items_path: 'init_params.documents',
    child_workflow_name: 'summarize-one',
    item_param_name: 'document',
    child_init_params: { language: 'English' },
    max_concurrency: 10,
  },
  alsoCalled: ['foreach', 'for_each', 'each', 'fan_out', 'fanout', 'parallel', 'map_task', 'iterate'],
  gotchas: [
    'The child task belongs to the same collection and gets its item in item_param_name; file_paths are not passed automatically.',
    'A failed child run fails the step unless continue_on_error is true. The error names the first failed child runs, and the outputs still list all runs.',
    'A child run that leaves memory for a long wait (a sleep, an approval) frees its slot for the next one, and continues when a slot is free again.',
    'extract_from_trajectories reads the results of the runs in trajectory_references.',
  ],
  async run(given, context) {
    const items = itemsOf(given)
    const task = taskOf(given)
    const shape = shapeOf(given)
    const { initParamsBytes } = context.settings
    await checkItems(shape, items, initParamsBytes, context.signal)
    const { execution_config: config } = given
    const timeout = given.timeout_sec ?? config?.timeout
    return new WaitForRuns(
      {
        task,
        count: items.length,
        initParams: (index) => paramsOfItem(shape, items[index], index, initParamsBytes),
        maxConcurrency: given.max_concurrency ?? config?.max_concurrency ?? defaultConcurrency,
        sharesConcurrency: given.share_concurrency,
        continueOnError: given.continue_on_error ?? config?.continue_on_error ?? false,
        until: timeout === undefined ? null : new Date(context.step.started.getTime() + timeout * 1000),
        labels: given.labels ?? {},
      },
      (ended) => outputsOf(items.length, ended),
    )
  },
})

const reference = z.union([z.string().min(1), z.looseObject({ trajectory_id: z.string().min(1) })])

const extractParameters = z.object({
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
  parameters: extractParameters,
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
