import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { textSchema } from '../../model/names.ts'
import { conversationSchema, listedConversationSchema, userSchema } from '../../model/runs/conversation.ts'

const tag = 'Runs'

const expected = 'Expected the next_cursor of an earlier response, unchanged'
const cursor = (form: RegExp) =>
  z.string().max(400).regex(form, expected).optional().describe('`next_cursor` of the previous response.')
const limit = (most: number, usual: number) =>
  z.coerce.number().int().min(1).max(most).default(usual).describe(`Page size, ${most} at most.`)

const page = {
  next_cursor: z.string().nullable().describe('Pass as `cursor` for the next page; null on the last one.'),
  has_more: z.boolean(),
}
const list = { limit: limit(100, 50), cursor: cursor(/^\d{1,16}\.[\w-]*$/) }

export const conversationsContract = {
  listConversations: endpoint({
    method: 'GET',
    path: '/api/v1/conversations/{collection}',
    summary:
      'The conversations of a collection, the latest first: runs with the same label `session`, and what they cost',
    tag,
    query: z.object({
      user: textSchema
        .max(1000)
        .optional()
        .describe('Only sessions of the latest 1,000 runs of this user; they come as one page.'),
      ...list,
    }),
    response: z.object({ conversations: z.array(listedConversationSchema), ...page }).meta({ id: 'ConversationPage' }),
  }),
  getConversation: endpoint({
    method: 'GET',
    path: '/api/v1/conversations/{collection}/{session}',
    summary: 'One conversation: its turns in order, with what was said, what each cost and which runs it started',
    tag,
    query: z.object({ limit: limit(100, 50), cursor: cursor(/^\d{1,16}\.\d{1,15}$/) }),
    response: conversationSchema,
    errors: ['not_found'],
  }),
  listUsers: endpoint({
    method: 'GET',
    path: '/api/v1/users/{collection}',
    summary: 'The users of a collection, the latest first: values of the label `user`, and what they cost',
    tag,
    query: z.object(list),
    response: z.object({ users: z.array(userSchema), ...page }).meta({ id: 'UserPage' }),
  }),
  getUser: endpoint({
    method: 'GET',
    path: '/api/v1/users/{collection}/{user}',
    summary: 'One user: runs, cost and tokens',
    tag,
    response: userSchema,
    errors: ['not_found'],
  }),
}
