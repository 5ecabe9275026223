import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { textSchema } from '../../model/names.ts'
import { conformanceLevels, runbookVerdictSchema } from '../../model/runbooks/runbook.ts'
import { evaluationKinds } from '../../model/runbooks/runbook-evaluation.ts'
import { preflightSchema, runbookRequestSchema } from '../../model/runbooks/runbook-request.ts'
import { workflowSchema } from '../../model/workflows/task.ts'

export const runbooksContract = {
  getRunbookTemplate: endpoint({
    method: 'GET',
    path: '/api/v1/runbooks/template',
    summary: 'A runbook to start from, and a task that carries it out',
    tag: 'Runbooks',
    access: 'read',
    query: z.object({
      title: textSchema.trim().min(1).max(200).default('New Task').describe('Heading of the runbook.'),
      evaluation: z
        .enum(evaluationKinds)
        .default('programmatic')
        .describe('How it judges its results: `programmatic` by statuses that can be checked, `rubric` by scores.'),
    }),
    response: z
      .object({
        content: z.string().describe('Complete and valid, and meant to be edited.'),
        task: z
          .object({ workflow: workflowSchema, has_file_uploads: z.boolean(), is_chat_flow: z.boolean() })
          .describe(
            'Body of `POST /tasks/{collection}`, but for the name. Its `init_params.instruction` is the runbook.',
          ),
      })
      .meta({ id: 'RunbookTemplate' }),
  }),
  validateRunbook: endpoint({
    method: 'POST',
    path: '/api/v1/runbooks/validate',
    summary: 'The faults and missing parts of a runbook, with line, column and a fix',
    tag: 'Runbooks',
    access: 'read',
    body: z
      .object({
        content: z.string().describe('The complete markdown file, including its front matter.'),
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
        content: z.string().min(1).describe('The complete markdown file, including its front matter.'),
        file_paths: z.array(z.string()).nullish().describe('Input files: storage paths, or ids of uploads.'),
        secret_names: z
          .array(z.string())
          .nullish()
          .describe('Names of the secrets that are sent with the run; their values are not sent here.'),
        secret_params: z
          .record(z.string(), z.string())
          .nullish()
          .describe('The secrets themselves, as a run takes them: only their names are used here.'),
        use_trial_keys: z.boolean().nullish().describe("Whether the run would use the server's trial keys."),
      })
      .meta({ id: 'RunbookPreflightRequest' }),
    response: preflightSchema,
    errors: ['not_found'],
  }),
}
