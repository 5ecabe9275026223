import { z } from 'zod'
import { jsonObjectSchema, textSchema, timestampSchema } from '../names.ts'
import { labelNameSchema, labelValueSchema } from './label.ts'
import { collectionRunFilterSchema } from './run-filter.ts'

/** Maximum number of runs that one action changes. */
export const mostRunsOfAction = 10_000
/** Maximum number of runs that one action names. */
const mostNamed = 1_000
/** Maximum number of errors that an action shows. */
export const mostActionErrors = 20

const labelChange = z.strictObject({ key: labelNameSchema, value: labelValueSchema })
const unlabelChange = z.strictObject({ key: labelNameSchema })
const rerunChange = z
  .strictObject({
    version: z.enum(['same', 'current']).default('same').describe('As of `POST …/rerun`.'),
    from_step: textSchema.max(200).optional().describe('As of `POST …/rerun`.'),
    init_params: jsonObjectSchema.default({}).describe('Parameters that override those of each recorded run.'),
  })
  .prefault({})

/** The change that an action makes to each of its runs. */
export type LabelChange = z.output<typeof labelChange>
export type UnlabelChange = z.output<typeof unlabelChange>
export type RerunChange = z.output<typeof rerunChange>

export const newBulkActionSchema = z
  .strictObject({
    action: z
      .enum(['label', 'unlabel', 'cancel', 'rerun', 'delete'])
      .describe('`delete`: ended runs, with their files and the runs that they started. It cannot be undone.'),
    ids: z
      .array(textSchema.min(1).max(200))
      .min(1)
      .max(mostNamed)
      .optional()
      .describe(`Trajectory ids of the runs, at most ${mostNamed}.`),
    filter: collectionRunFilterSchema
      .optional()
      .describe(
        'In place of `ids`: all runs that fit now, newest first, with the names of the query of the list of runs. ' +
          `An action changes at most ${mostRunsOfAction} runs.`,
      ),
    label: labelChange.optional().describe('For `label`: set in the name of the caller.'),
    unlabel: unlabelChange.optional().describe('For `unlabel`: removes the key, whoever has set it.'),
    rerun: rerunChange.optional().describe('For `rerun`: how the runs are repeated.'),
  })
  .superRefine(({ action, ids, filter, ...changes }, context) => {
    if ((ids === undefined) === (filter === undefined)) {
      context.addIssue({ code: 'custom', path: ['ids'], message: 'Expected either ids or filter' })
    }
    if ((action === 'label' || action === 'unlabel') && changes[action] === undefined) {
      context.addIssue({ code: 'custom', path: [action], message: `The action ${action} needs the member ${action}` })
    }
  })
  .meta({ id: 'NewBulkAction' })
export type NewBulkAction = z.output<typeof newBulkActionSchema>

const bulkActionKinds = ['label', 'unlabel', 'cancel', 'rerun', 'delete', 'undo'] as const
export type BulkActionKind = (typeof bulkActionKinds)[number]

const count = z.int()

export const bulkActionSchema = z
  .object({
    bulk_id: z.string(),
    action: z.enum(bulkActionKinds),
    change: jsonObjectSchema.describe('What it does with each run.'),
    undo_of: z.string().nullable().describe('The action that it undoes.'),
    state: z
      .enum(['running', 'completed', 'stopped'])
      .describe('`stopped`: on request, or for the `reason`. Runs changed until then stay changed.'),
    reason: z.string().nullable(),
    total: count.nullable().describe('Runs that it is about; null while a filter is still being read.'),
    done: count.describe('Runs that it changed.'),
    skipped: count.describe('Runs that needed no change, such as ended runs that were to be cancelled.'),
    failed: count,
    errors: z
      .array(z.object({ trajectory_id: z.string(), task: z.string(), error: z.string() }))
      .describe(`Why runs failed, at most ${mostActionErrors}.`),
    author: z.string(),
    created: timestampSchema,
    ended: timestampSchema.nullable(),
  })
  .meta({ id: 'BulkAction' })
export type BulkAction = z.output<typeof bulkActionSchema>

export const bulkActionPageSchema = z
  .object({
    actions: z.array(bulkActionSchema.omit({ errors: true })),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'BulkActionPage' })
