import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { itemIdSchema } from '../../model/data/item.ts'
import { splitsSchema } from '../../model/data/splits.ts'
import { activity, type Json } from '../activity.ts'
import { givenFields, productOutputs, productParameters } from './product-parameters.ts'

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
