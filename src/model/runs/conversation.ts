import { z } from 'zod'
import { timestampSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'
import { runTriggers } from './run-lists.ts'

const figures = {
  runs: z.int().describe('Runs with the label that are stored.'),
  first_at: timestampSchema.describe('When its first run was created.'),
  last_at: timestampSchema.describe('When its latest run was created.'),
  cost_usd: z.number().describe('Of its model calls with a known price, in US dollars.'),
  tokens: z.int(),
  calls: z.int().describe('Model calls that used tokens or cost something.'),
}

/** A session: runs, gateway calls and traces with the same value of the label `session`. */
export const listedConversationSchema = z
  .object({
    session: z.string().describe('Value of the label `session`, its first 200 characters.'),
    user: z.string().nullable().describe('Value of the label `user` of its latest run; null without one.'),
    ...figures,
  })
  .meta({ id: 'ListedConversation' })
export type ListedConversation = z.infer<typeof listedConversationSchema>

const startedRun = z.object({ trajectory_id: z.string(), task: z.string(), status: z.enum(runStatuses) })

const turnSchema = z
  .object({
    trajectory_id: z.string(),
    task: z.string(),
    trigger: z.enum(runTriggers),
    status: z.enum(runStatuses),
    created: timestampSchema,
    duration_seconds: z.number().nullable().describe('From creation to end; null while it is open.'),
    user: z.string().nullable(),
    said: z.string().describe('What was asked: the last message of the user, or the parameters of the run.'),
    answered: z.string().describe('What was answered: the text of the answer, or the outputs of the last step.'),
    cost_usd: z.number().nullable().describe('With the runs that it started; null if no price is known.'),
    tokens: z.int(),
    started: z.array(startedRun).describe('Runs that it started, the first 20.'),
    started_total: z.int().describe('How many runs it started, 1,000 at most.'),
  })
  .meta({ id: 'Turn' })
export type Turn = z.infer<typeof turnSchema>

/** A conversation with a page of its turns. */
export const conversationSchema = listedConversationSchema
  .extend({
    turns: z.array(turnSchema).describe('Oldest first.'),
    next_cursor: z.string().nullable().describe('Pass as `cursor` for the next page; null on the last one.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'Conversation' })
export type Conversation = z.infer<typeof conversationSchema>

export const userSchema = z
  .object({ user: z.string().describe('Value of the label `user`, its first 200 characters.'), ...figures })
  .meta({ id: 'User' })
export type User = z.infer<typeof userSchema>
