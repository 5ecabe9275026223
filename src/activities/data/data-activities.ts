import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { jsonOrText } from '../../lib/json/json-object.ts'
import { retryAfterSeconds } from '../../lib/net/retry-after.ts'
import { itemIdSchema } from '../../model/data/item.ts'
import { splitsSchema } from '../../model/data/splits.ts'
import { entityNameSchema } from '../../model/names.ts'
import { activity, type Json } from '../activity.ts'

/** Parameters of every step that registers something. */
const productParameters = {
  name: entityNameSchema.describe(
    'Its name in the collection of the run; what has the name already gets a new version.',
  ),
  description: z.string().max(100_000).optional().describe('What it is, in words.'),
  metadata_version: z.string().max(1000).optional().describe('Tag of the version that this makes, such as 1.2.0.'),
  made_from: z
    .array(z.string().max(500))
    .max(100)
    .default([])
    .describe('What it was made from besides the task, each as type/collection/name: dataset, trained_model or task.'),
  activity_name: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .default('run')
    .describe('How it was made, such as `training`; the link to what it was made from has this name.'),
}

const productOutputs = {
  collection: z.string().describe('Collection that has it.'),
  version: z.int().describe('Index of the version that the run made, or found to be the same.'),
  created: z.boolean().describe('Whether it did not exist before.'),
}

/** The fields that the step gives. A stored field that it does not give stays as it is. */
const givenFields = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const object = z.record(z.string(), z.unknown())
const mostItems = 10_000
const mostFiles = 1000

const fileSchema = z.union([z.string(), z.looseObject({ path: z.string() })])
const pathOf = (file: z.output<typeof fileSchema>): string => (typeof file === 'string' ? file : file.path)

/** An item is its data; the member `idColumn` is its id. */
const itemOf = (data: Record<string, Json>, idColumn: string, at: number) => {
  const { [idColumn]: given, ...rest } = data
  if (given === undefined || given === null || given === '') return { data: rest }
  const id = itemIdSchema.safeParse(typeof given === 'number' ? String(given) : given)
  if (id.success) return { id: id.data, data: rest }
  throw new AppError(
    'parameter_invalid',
    `Item ${at} needs a text of at most 200 characters or a number as its ${idColumn}`,
  )
}

/** Writes items and files to a dataset, and records that this run made the version. */
export const registerDataset = activity({
  name: 'register_dataset',
  category: 'data',
  effects: 'writes',
  description: 'Registers a dataset that the run has made: creates it or adds a version, with items and files.',
  parameters: z.object({
    ...productParameters,
    items: z
      .array(object)
      .max(mostItems)
      .optional()
      .describe('Items, each the object that is its data. The member that `id_column` names is its id.'),
    id_column: z.string().min(1).max(200).default('id').describe('Member of an item that is its id.'),
    mode: z
      .enum(['upsert', 'replace'])
      .default('upsert')
      .describe('`upsert`: other items stay. `replace`: the dataset then has exactly these items.'),
    files: z
      .array(fileSchema)
      .max(mostFiles)
      .default([])
      .describe('Files of the collection, by path or as an earlier step returned them; they are copied.'),
    format: z.string().max(200).optional().describe('Format of the files, such as parquet.'),
    metadata: object.optional().describe('Croissant metadata.'),
    item_schema: object
      .optional()
      .describe('JSON Schema of each item; items that do not fit fail the step.')
      .meta({ input: 'json', language: 'json-schema' }),
    splits: splitsSchema
      .optional()
      .describe('Shares of the splits by name, such as {"train": 80, "test": 20}.')
      .meta({ input: 'json' }),
  }),
  outputs: z.object({
    dataset: z.string().describe('Name of the dataset.'),
    ...productOutputs,
    added: z.int().describe('Items that are new.'),
    changed: z.int().describe('Items with other data than before.'),
    removed: z.int().describe('Items that the mode `replace` removed.'),
    unchanged: z.int().describe('Items that it had already.'),
    count: z.int().describe('Items of the newest version.'),
    files_added: z.int().describe('Files that it did not have already.'),
  }),
  example: {
    activity: 'register_dataset',
    name: 'summaries',
    items_path: 'init_params.items',
    description: 'Summaries of the reports of a week',
  },
  gotchas: [
    'The same content again makes no new version, so a step that is executed twice after a crash registers once.',
    'A dataset of the collection with this name is extended; a new one is private.',
  ],
  names: ['metadata', 'item_schema', 'splits'],
  async run({ name, items, id_column, mode, files, ...given }, context) {
    const { description, metadata, metadata_version, format, item_schema, splits, made_from, activity_name } = given
    const made = await context.products.register({
      ...{ kind: 'dataset', name, mode, activityName: activity_name, madeFrom: made_from },
      fields: givenFields({
        ...{ long_description: description, dataset_metadata: metadata, metadata_version, format, item_schema, splits },
      }),
      ...(items && { items: items.map((item, at) => itemOf(item, id_column, at)) }),
      files: files.map(pathOf),
    })
    const { collection, version, created, added, changed, removed, unchanged, count } = made
    return {
      ...{ dataset: made.name, collection, version, created, added, changed, removed, unchanged, count },
      files_added: made.files,
    }
  },
})

/** Writes a trained model to the registry, and records that this run made the version. */
export const registerModel = activity({
  name: 'register_model',
  category: 'data',
  effects: 'writes',
  description: 'Registers a model that the run has made: creates it, or adds a version to the one with its name.',
  parameters: z.object({
    ...productParameters,
    weights: z
      .string()
      .min(1)
      .max(2000)
      .describe('Where the model is: a storage path, or an address such as hf://acme/model. It is its `model_path`.'),
    metadata: object.optional().describe('Metadata of the model.'),
    attributes: object.optional().describe('Facts about it, such as its size or its scores.'),
  }),
  outputs: z.object({ model: z.string().describe('Name of the model.'), ...productOutputs }),
  example: {
    activity: 'register_model',
    name: 'router',
    weights_path: 'init_params.weights',
    made_from: ['dataset/acme/questions'],
    activity_name: 'training',
  },
  gotchas: [
    'A file that weights names belongs to its run: it is not copied, and is deleted with the run.',
    'The same content again makes no new version, so a step that is executed twice after a crash registers once.',
  ],
  async run({ name, weights, description, metadata, metadata_version, attributes, made_from, activity_name }, context) {
    const made = await context.products.register({
      ...{ kind: 'trained_model', name, activityName: activity_name, madeFrom: made_from },
      fields: givenFields({
        ...{ model_path: weights, long_description: description, metadata_version },
        ...{ model_metadata: metadata, model_attributes: attributes },
      }),
    })
    return { model: made.name, collection: made.collection, version: made.version, created: made.created }
  },
})

const labelPart = z.string().min(1).max(200)

/** Sets a label of a run; repeating it has no further effect. */
export const labelRun = activity({
  name: 'label_run',
  category: 'data',
  effects: 'writes',
  description: 'Sets a label of a run of the same collection; it replaces a label with the same key and author.',
  parameters: z.object({
    trajectory_id: z.string().min(1).describe('Trajectory id of the run.'),
    key: labelPart.describe('Name of the label.'),
    value: z.union([z.string(), z.number(), z.boolean()]).describe('Value of the label; stored as text.'),
    author: labelPart.optional().describe('Author of the label; default: the author of this run.'),
  }),
  outputs: z.object({
    trajectory_id: z.string().describe('Trajectory id of the labelled run.'),
    key: z.string().describe('Name of the label.'),
    value: z.string().describe('Value of the label, as text.'),
    author: z.string().describe('Author of the label.'),
  }),
  example: { activity: 'label_run', trajectory_id_path: 'init_params.trajectory_id', key: 'reviewed', value: 'yes' },
  gotchas: ['A value has at most 8 KiB, and a run has at most JETTY_MAX_LABELS_PER_RUN labels.'],
  run: async ({ trajectory_id, key, value, author }, context) => {
    const label = { trajectory_id, key, value: String(value), author: author ?? context.run.author }
    await context.labels.set(label)
    return label
  },
})

/** Returns outputs that are written in the workflow, in place of a step that is not to be executed. */
export const pinnedOutputs = activity({
  name: 'pinned_outputs',
  category: 'data',
  description: 'Returns the given outputs. Put it in place of a step to try the steps after it without executing it.',
  parameters: z.object({
    outputs: z
      .record(z.string(), z.unknown())
      .describe('The outputs, exactly as they are written: paths are not followed.'),
  }),
  outputs: z.looseObject({}).describe('The same members.'),
  example: { activity: 'pinned_outputs', outputs: { text: 'A summary from an earlier run' } },
  literal: ['outputs'],
  pure: true,
  gotchas: ['Steps that refer to its inputs find only `outputs`.'],
  run: async ({ outputs }) => outputs,
})

const shownCharacters = 300

/** Notifies another service with a POST of a JSON body. */
export const webhookNotify = activity({
  name: 'webhook_notify',
  category: 'data',
  effects: 'writes',
  lenient: true,
  description: 'Sends a JSON payload to a URL by POST.',
  parameters: z.object({
    url: z.string().min(1).describe('http or https URL to send the POST to.'),
    payload: z.unknown().optional().describe('Value to send as JSON; default: {}.'),
  }),
  outputs: z.object({
    status_code: z.number().int().describe('HTTP status of the response, 200 to 299.'),
    response: z.unknown().describe('The response body: parsed if it is JSON, else as text.'),
  }),
  example: {
    activity: 'webhook_notify',
    url: 'https://example.com/hook',
    payload: { text: 'Done: {{init_params.title}}' },
  },
  alsoCalled: ['notify', 'notification', 'send_webhook', 'slack', 'discord'],
  gotchas: [
    'To send the outputs of a step, use payload_path: one path, or an object of paths; or {{step.outputs.x}} in a text.',
    'Any status other than 2xx fails the step; 429 and 5xx are retried first.',
    'The header Idempotency-Key is the same for each attempt, so that the receiver can recognise a repetition.',
    'Private addresses are refused unless JETTY_ALLOW_PRIVATE_NETWORK lists them.',
  ],
  async run({ url, payload }, context) {
    const answer = await context.fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, */*',
        'idempotency-key': context.idempotencyKey,
      },
      body: JSON.stringify(payload ?? {}),
      timeoutSeconds: 60,
      maxBytes: 8 * 1024 * 1024,
    })
    const text = await answer.text()
    if (answer.status < 200 || answer.status > 299) {
      const wait = retryAfterSeconds(answer.headers)
      const said = text.trim().slice(0, shownCharacters)
      throw new AppError(
        'upstream_failed',
        `The webhook at ${new URL(url).host} answered ${answer.status}${said ? `: ${said}` : ''}`,
        {
          hint: 'Check the URL, and the payload that the receiver expects.',
          retryable: answer.status === 408 || answer.status === 429 || answer.status >= 500,
          ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
        },
      )
    }
    return { status_code: answer.status, response: jsonOrText(text) }
  },
})
