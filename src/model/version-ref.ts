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

/** A version that runs were asked to execute: what the reference meant when they were started, since a tag may move. */
export const askedVersionSchema = z
  .object({
    ref: z.string().describe('The reference as it was given; `~-1`: the newest version.'),
    index: z.int().describe('Index of the version that it meant at the start; 0 is the oldest.'),
  })
  .meta({ id: 'AskedVersion' })
export type AskedVersion = z.output<typeof askedVersionSchema>

/** Splits `report@production`, the name of a task with a reference to a version of it. */
export const splitTaskRef = (written: string): { task: string; ref: string | undefined } => {
  const at = written.indexOf('@')
  return at < 0 ? { task: written, ref: undefined } : { task: written.slice(0, at), ref: written.slice(at + 1) }
}

/** Grammar of a tag. */
export const tagPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** Body of the operations that set a tag. */
export const setTagSchema = z.strictObject({ version: versionOrNewestSchema }).meta({ id: 'SetTag' })

/** The version that has a tag now. */
export const taggedSchema = z.object({ tag: z.string(), version: z.int(), content_hash: z.string() })
