import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { labelNameSchema, labelValueSchema } from '../../model/runs/label.ts'
import { activity, type ChildRun, type Json, WaitForRuns } from '../activity.ts'
import { checkMapping, checkParamsSize, type ItemShape, paramsOfItem } from './child-item.ts'

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
    .describe('The task to run for each item, in the same collection. Required.')
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
    .looseObject({ task_name: z.string().min(1) })
    .optional()
    .describe('Deprecated form of child_workflow_name: {task_name}.'),
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
  const task = name ?? reference?.task_name
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
