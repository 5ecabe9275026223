import { z } from 'zod'
import { contract } from '../../api/contract.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import { runSummary } from '../run-report.ts'
import { composedTool } from '../tool.ts'
import { runArguments } from './shared-arguments.ts'

/** Characters of a value that one call returns. */
const mostCharacters = 20_000

const step = z.string().min(1).max(300).describe('Name of the step, as in `steps` of explain-run.')

/** A part of a text, and where the next one begins. */
const partOf = (text: string, offset: number) => ({
  text: text.slice(offset, offset + mostCharacters),
  offset,
  total_characters: text.length,
  ...(offset + mostCharacters < text.length && { next_offset: offset + mostCharacters }),
})

export const stepTools = [
  composedTool({
    name: 'read-step',
    title: 'Read a step',
    description:
      'Reads one step of a run: inputs, outputs, config, error and where its parameters came from. With `of` (and `member`) it returns one value whole, in parts of 20,000 characters: go on with next_offset.',
    operations: ['getStep', 'getStepValue'],
    input: z.strictObject({
      ...runArguments,
      step,
      of: z.enum(['inputs', 'outputs', 'config']).optional().describe('Read this part whole.'),
      member: z.string().max(1_000).optional().describe('Read only this member of the part, such as text.'),
      offset: z.int().min(0).default(0).describe('next_offset of the call before.'),
    }),
    output: z.object({
      ...contract.getStep.response.partial().shape,
      text: z.string().optional(),
      offset: z.number().optional(),
      total_characters: z.number().optional(),
      next_offset: z.number().optional(),
    }),
    run: async ({ call }, { of, member, offset, ...params }) => {
      const rest = 'read-step with `of` and `member` returns one value whole'
      if (of === undefined && member === undefined) return { value: await call('getStep', { params }), rest }
      const value = await call('getStepValue', { params, query: { of: of ?? 'outputs', member } })
      return { value: partOf(typeof value === 'string' ? value : JSON.stringify(value, null, 1), offset) }
    },
  }),
  composedTool({
    name: 'read-log',
    title: 'Read the log of a run',
    description:
      'Reads the log of a run, newest first: what steps and agents did, said and asked for. `step`, `level` and `query` narrow it; go on with the cursor.',
    operations: ['getTrajectory', 'getWorkflowLogs'],
    input: z.strictObject({
      ...runArguments,
      step: step.optional(),
      level: z.enum(['debug', 'info', 'warning', 'error']).optional(),
      query: z.string().max(200).optional().describe('Text in the message or attributes.'),
      limit: z.int().min(1).max(200).default(50),
      cursor: z.string().optional().describe('cursor of the answer before.'),
    }),
    output: z.object({ status: z.string(), events: z.array(z.unknown()), cursor: z.string().optional() }),
    run: async (context, { collection, task, trajectory_id, query: q, ...query }) => {
      const { workflow_id } = await runSummary(context, { collection, task, trajectory_id })
      const answer = await context.call('getWorkflowLogs', {
        params: { workflow_id },
        query: { ...query, q, order: 'desc' },
      })
      const { events, status, next_cursor } = answer as {
        events: LogEvent[]
        status: string
        next_cursor: string | null
      }
      const lines = events.map((event) => ({
        time: event.timestamp,
        level: event.level,
        type: event.type,
        message: event.message.slice(0, 1_000),
      }))
      return {
        value: { status, events: lines, ...(next_cursor !== null && { cursor: next_cursor }) },
        rest: 'read-log with a smaller limit',
      }
    },
  }),
]
