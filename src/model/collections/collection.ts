import { z } from 'zod'
import { collectionNameSchema, jsonObjectSchema, textSchema, timestampSchema } from '../names.ts'
import { runTotalsSchema } from '../runs/run-totals.ts'

export const collectionSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string().nullable(),
    auth_org_id: z.string().nullable().describe('Deprecated, always null.'),
    owner_identifier: z.string().nullable(),
    created_at: timestampSchema,
  })
  .meta({ id: 'Collection' })

const pauseSchema = z
  .object({
    by: z.enum(['operator', 'key']).describe('Who paused it. A pause of the operator ends only with the admin token.'),
    author: z.string(),
    reason: z.string().nullable(),
    at: timestampSchema,
  })
  .meta({ id: 'CollectionPause' })

export const collectionPausesSchema = z
  .object({
    paused: z
      .boolean()
      .describe('Whether new runs and calls to models are refused, and accepted runs wait before their next step.'),
    pauses: z.array(pauseSchema).describe('Its pauses; it is resumed when there are none.'),
  })
  .meta({ id: 'CollectionPauses' })
export type CollectionPauses = z.output<typeof collectionPausesSchema>

export const pauseCollectionSchema = z
  .object({ reason: textSchema.max(500).nullish().describe('Shown to everybody whose work is refused.') })
  .meta({ id: 'PauseCollection' })

/** A collection in a list for people, with what its runs came to. */
export const collectionSummarySchema = collectionSchema
  .extend({
    tasks: z.int(),
    runs: runTotalsSchema,
    cost_usd_7_days: z
      .number()
      .describe('What its model calls of the last seven days (UTC) cost, as far as it is known.'),
    model_calls_7_days: z.int().describe('How many model calls that were; those of built-in models are not counted.'),
  })
  .meta({ id: 'CollectionSummary' })
export type CollectionSummary = z.output<typeof collectionSummarySchema>

/** A collection with its environment variables, all values masked. */
export const collectionWithEnvironmentSchema = collectionSchema
  .extend({ environment_variables: z.record(z.string(), z.string()) })
  .meta({ id: 'CollectionWithEnvironment' })

export const collectionWithStorageSchema = collectionSchema
  .extend({ storage_info: jsonObjectSchema.nullable(), storage_provider: z.string().nullable() })
  .meta({ id: 'CollectionWithStorage' })

const storageInfoSchema = jsonObjectSchema
  .nullable()
  .describe(
    'With the provider `s3`: `bucket`, `access_key_id` and `secret_access_key`, and as needed `path_prefix`, `region` and `endpoint`. Answers mask credentials.',
  )
const providerText =
  '`default`: data files of datasets are in the storage of the server; `s3`: in the bucket that `storage_info` names. With any other provider the upload of a data file answers 400.'

export const createCollectionSchema = z
  .object({
    name: collectionNameSchema,
    description: textSchema.nullish(),
    storage_info: storageInfoSchema.optional(),
    storage_provider: textSchema.default('default').describe(providerText),
    environment_variables: z.record(z.string(), z.unknown()).nullish(),
    owner_identifier: textSchema.nullish().describe('Honoured for the admin token only.'),
  })
  .meta({ id: 'CreateCollection' })

export const setOwnerSchema = z.object({ owner_identifier: textSchema }).meta({ id: 'SetOwner' })

export const setStorageSchema = z
  .object({ storage_info: storageInfoSchema, storage_provider: textSchema.nullable().describe(providerText) })
  .partial()
  .meta({ id: 'SetStorage' })

export type Collection = z.infer<typeof collectionSchema>
