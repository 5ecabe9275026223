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
    summary: 'What is wrong with a runbook, and what it lacks, with line, column and what to write instead',
    tag: 'Runbooks',
    access: 'read',
    body: z
      .object({
        content: z.string().max(longestRunbook).describe('The whole markdown file, its front matter included.'),
        level: z
          .enum(conformanceLevels)
          .default('loose')
          .describe(
            '`strict`: missing parts of the format are errors too, not only what keeps it from being carried out.',
          ),
      })
      .meta({ id: 'RunbookValidation' }),
    response: runbookVerdictSchema,
  }),
  preflightRunbook: endpoint({
    method: 'POST',
    path: '/api/v1/runbooks/preflight',
    summary: 'What a run of a runbook would find here, and what would keep it from being begun; starts nothing',
    tag: 'Runbooks',
    access: 'read',
    body: runbookRequestSchema
      .omit({ instruction: true, files: true })
      .extend({
        collection: z.string().min(1).describe('Whose keys, secrets and files it would have.'),
        content: z.string().min(1).max(longestRunbook).describe('The whole markdown file, its front matter included.'),
        file_paths: z.array(z.string()).nullish().describe('Inputs: storage paths, or ids of uploads.'),
        secret_names: z
          .array(z.string())
          .nullish()
          .describe('Names of variables that would come with the run alone; their values are not sent.'),
        use_trial_keys: z.boolean().nullish().describe('Whether it would be run on keys that the server lends.'),
      })
      .meta({ id: 'RunbookPreflightRequest' }),
    response: preflightSchema,
    errors: ['not_found'],
  }),
}
