import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { conformanceLevels, runbookVerdictSchema } from '../../model/runbook.ts'

/** Characters of one runbook; published ones have 40,000 at the most. */
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
}
