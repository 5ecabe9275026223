import { z } from 'zod'

/** A reference to a version of a task, dataset or model. */
export const versionRefSchema = z
  .string()
  .min(1)
  .max(200)
  .describe('Version: its index as `12` or `~12`, counted from the end as `~-1`, a content hash, or a tag.')

/** A version that is asked for, or else the newest one. */
export const versionOrNewestSchema = versionRefSchema
  .default('~-1')
  .describe('Version: `12` or `~12`, `~-1`, a content hash or a tag. Default: the newest one.')

/** Body of the operations that set a tag. */
export const setTagSchema = z.strictObject({ version: versionOrNewestSchema }).meta({ id: 'SetTag' })

/** The version that has a tag now. */
export const taggedSchema = z.object({ tag: z.string(), version: z.int(), content_hash: z.string() })
