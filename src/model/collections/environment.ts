import { z } from 'zod'

/** What is shown instead of a value, and what leaves a value as it is when it is sent back. */
export const mask = '***'

export const maxVariableBytes = 64 * 1024

/** Every variable twice, at the top and nested: there are clients for both. Values are masked. */
export const environmentSchema = z
  .object({ environment_variables: z.record(z.string(), z.string()) })
  .catchall(z.union([z.string(), z.record(z.string(), z.string())]))
  .meta({ id: 'Environment' })

/** A text sets, null deletes, `***` leaves alone, a number or boolean is stored as its text. */
export const setEnvironmentSchema = z
  .object({ environment_variables: z.record(z.string(), z.unknown()).nullish() })
  .meta({ id: 'SetEnvironment' })
