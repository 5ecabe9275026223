import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { momentSchema, textSchema } from '../../model/names.ts'
import { logEventSchema } from '../../model/runs/run-events.ts'
import { trajectorySchema } from '../../model/runs/trajectory.ts'

const mostEvents = 5_000

export const logsContract = {
  getWorkflowLogs: endpoint({
    method: 'GET',
    path: '/api/v1/workflows-logs/{workflow_id}',
    summary: 'The log of a run; in parts with `order`, `step`, `attempt`, `type` or `q`',
    tag: 'Trajectories',
    query: z.object({
      level: z.enum(['debug', 'info', 'warning', 'error']).optional(),
      after: momentSchema.optional().describe('Only entries after this time.'),
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .default(1_000)
        .transform((limit) => Math.min(limit, mostEvents))
        .describe(
          `Maximum number of agent events in a response, at most ${mostEvents}; fewer if they are large. All other events ` +
            'of the run are on the first page. In parts it limits events of any kind.',
        ),
      cursor: z
        .string()
        .regex(/^(\d{1,15}|\d{1,10}\.\d\.\d{1,10})$/, 'Expected the next_cursor of an earlier response, unchanged')
        .optional()
        .describe(
          '`next_cursor` of the previous response: returns what comes after it, with `order=desc` what comes before it.',
        ),
      order: z
        .enum(['asc', 'desc'])
        .optional()
        .describe(
          'Returns the log in parts, step by step: `desc` from its end. A part may be short or empty while there is a ' +
            '`next_cursor`. Left out, `step`, `attempt`, `type` and `q` imply `asc`.',
        ),
      step: textSchema.min(1).max(200).optional().describe('Only this step, by its name in `steps` of the run.'),
      attempt: z.coerce
        .number()
        .int()
        .min(1)
        .max(1_000_000)
        .optional()
        .describe('Only what happened in this attempt of a step; usually with `step`.'),
      type: z
        .array(z.string().max(50))
        .max(20)
        .default([])
        .describe('Only events of these types, such as `step_failed` or `agent_tool_call`; may be repeated.'),
      q: textSchema.max(200).optional().describe('Text in the message or attributes, in upper or lower case.'),
      format: z
        .enum(['json', 'text'])
        .default('json')
        .describe('`text`: all of it as lines to download; `limit` and `cursor` are ignored.'),
    }),
    response: z.object({
      workflow_id: z.string(),
      trajectory_id: z.string(),
      status: z.string(),
      waiting: trajectorySchema.shape.waiting,
      events: z.array(logEventSchema),
      next_cursor: z.string().nullable().describe('Cursor of the next page; null if there are no more events yet.'),
    }),
  }),
}
