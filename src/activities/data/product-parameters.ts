import { z } from 'zod'
import { entityNameSchema } from '../../model/names.ts'

/** Parameters of every step that registers something. */
export const productParameters = {
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

export const productOutputs = {
  collection: z.string().describe('Collection that has it.'),
  version: z.int().describe('Index of the version that the run made, or found to be the same.'),
  created: z.boolean().describe('Whether it did not exist before.'),
}

/** The given fields; what was left out keeps what is stored. */
export const givenFields = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
