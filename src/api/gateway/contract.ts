import { endpoint } from '../../http/endpoint.ts'
import {
  chatAnswerSchema,
  chatCallSchema,
  embeddingsCallSchema,
  imagesCallSchema,
  messagesCallSchema,
  modelAnswerSchema,
  responsesCallSchema,
} from '../../model/gateway/gateway-call.ts'

const call = {
  method: 'POST',
  tag: 'Chat',
  access: 'read',
  audited: false,
  errors: [
    'bad_request',
    'unsupported_encoding',
    'model_unavailable',
    'not_found',
    'upstream_failed',
    'timed_out',
    'busy',
  ],
  errorBody: 'openai',
  headers: {
    'X-Jetty-Collection': 'Whose keys are used, and where the call is recorded; the jetty block says the same.',
    'X-Jetty-Record': 'off: the call is not recorded.',
  },
} as const

/** Further paths for clients whose base URL is the origin, or that put everything below /api. */
const aliases = (path: string) => [path, `/api/v1${path}`]

export const gatewayContract = {
  createChatCompletion: endpoint({
    ...call,
    path: '/v1/chat/completions',
    aliases: aliases('/chat/completions'),
    summary:
      "Passes a chat completion on to whoever serves the model, and records it: OpenAI's request and answer. " +
      'With a jetty block it carries a runbook out, which needs write access; 202 where that goes on',
    headers: {
      ...call.headers,
      'Idempotency-Key': 'Of a runbook: within a day the same key leads to the same run.',
      'Last-Event-ID': 'Of a runbook, with its Idempotency-Key: its stream goes on after this event.',
    },
    errors: [...call.errors, 'idempotency_conflict'],
    body: chatCallSchema,
    response: chatAnswerSchema,
  }),
  createEmbeddings: endpoint({
    ...call,
    path: '/v1/embeddings',
    aliases: aliases('/embeddings'),
    summary: 'The same for embeddings',
    body: embeddingsCallSchema,
    response: modelAnswerSchema,
  }),
  createImages: endpoint({
    ...call,
    path: '/v1/images/generations',
    aliases: aliases('/images/generations'),
    summary: 'The same for images',
    body: imagesCallSchema,
    response: modelAnswerSchema,
  }),
  createResponse: endpoint({
    ...call,
    path: '/v1/responses',
    aliases: aliases('/responses'),
    summary: "The same for OpenAI's responses, of providers that have them",
    body: responsesCallSchema,
    response: modelAnswerSchema,
  }),
  createMessage: endpoint({
    ...call,
    path: '/v1/messages',
    aliases: aliases('/messages'),
    summary: "The same with Anthropic's request and answer; the token may come as x-api-key",
    body: messagesCallSchema,
    response: modelAnswerSchema,
    errorBody: 'anthropic',
    apiKeyHeader: true,
  }),
}
