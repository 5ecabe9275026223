import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { conformanceLevels, runbookVerdictSchema } from '../../model/runbooks/runbook.ts'
import { preflightSchema, runbookRequestSchema } from '../../model/runbooks/runbook-request.ts'

/** Maximum characters of a runbook; published ones have at most 40,000. */
const longestRunbook = 512 * 1024

export const runbooksContract = {
  validateRunbook: endpoint({
    method: 'POST',
    path: '/api/v1/runbooks/validate',
    summary: 'The faults and missing parts of a runbook, with line, column and a fix',
    tag: 'Runbooks',
    access: 'read',
    body: z
      .object({
        content: z.string().max(longestRunbook).describe('The complete markdown file, including its front matter.'),
        level: z
          .enum(conformanceLevels)
          .default('loose')
          .describe('`strict`: missing parts of the format are errors, not only faults that prevent a run.'),
      })
      .meta({ id: 'RunbookValidation' }),
    response: runbookVerdictSchema,
  }),
  preflightRunbook: endpoint({
    method: 'POST',
    path: '/api/v1/runbooks/preflight',
    summary: 'Check whether a runbook can run on this server, without starting it',
    tag: 'Runbooks',
    access: 'read',
    body: runbookRequestSchema
      .omit({ instruction: true, files: true })
      .extend({
        collection: z.string().min(1).describe('Collection whose keys, secrets and files are used.'),
        content: z
          .string()
          .min(1)
          .max(longestRunbook)
          .describe('The complete markdown file, including its front matter.'),
        file_paths: z.array(z.string()).nullish().describe('Input files: storage paths, or ids of uploads.'),
        secret_names: z
          .array(z.string())
          .nullish()
          .describe('Names of the secrets that are sent with the run; their values are not sent here.'),
        use_trial_keys: z.boolean().nullish().describe("Whether the run would use the server's trial keys."),
      })
      .meta({ id: 'RunbookPreflightRequest' }),
    response: preflightSchema,
    errors: ['not_found'],
  }),
}
