import { z } from 'zod'
import { timestampSchema } from '../names.ts'

/** Replaces a value in answers; sent back, it keeps the stored value. */
export const mask = '***'

export const maxVariableBytes = 64 * 1024

const maskedValuesSchema = z.record(z.string(), z.string()).meta({ id: 'EnvironmentVariables' })

/** Every variable twice, at the top level and nested: clients exist for both. Values are masked. */
export const environmentSchema = z
  .object({ environment_variables: maskedValuesSchema })
  .catchall(z.union([z.string(), maskedValuesSchema]))
  .meta({ id: 'Environment' })

/** A text sets, null deletes, `***` keeps, a number or boolean is stored as text. */
export const setEnvironmentSchema = z
  .object({ environment_variables: z.record(z.string(), z.unknown()).nullish() })
  .meta({ id: 'SetEnvironment' })

/** The variables of a collection without their values. */
export const variablesSchema = z
  .object({
    variables: z.array(
      z.object({
        name: z.string(),
        set_at: timestampSchema.nullable().describe('When the value was set; null: before the server noted it.'),
        set_by: z
          .string()
          .nullable()
          .describe('Who set it: `admin` or `api-key:<name> (key <id>)`. Null: before the server noted it.'),
        tasks: z
          .array(z.string())
          .describe('Tasks whose workflow names it as `env.NAME`, among the 200 that were changed last.'),
      }),
    ),
    missing: z
      .array(z.object({ variable: z.string(), task: z.string() }))
      .describe('Variables that workflows of these tasks name and that are not set.'),
  })
  .meta({ id: 'Variables' })

export type ShownVariables = z.infer<typeof variablesSchema>
