import { z } from 'zod'

/** Replaces a value in answers; sent back, it keeps the stored value. */
export const mask = '***'

export const maxVariableBytes = 64 * 1024

/** Every variable twice, at the top level and nested: clients exist for both. Values are masked. */
export const environmentSchema = z
  .object({ environment_variables: z.record(z.string(), z.string()) })
  .catchall(z.union([z.string(), z.record(z.string(), z.string())]))
  .meta({ id: 'Environment' })

/** A text sets, null deletes, `***` keeps, a number or boolean is stored as text. */
export const setEnvironmentSchema = z
  .object({ environment_variables: z.record(z.string(), z.unknown()).nullish() })
  .meta({ id: 'SetEnvironment' })
