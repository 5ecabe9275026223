import { z } from 'zod'
import { anyFile, endpoint } from '../../http/endpoint.ts'
import { flagSchema } from '../../model/flag.ts'
import {
  chatAnswerSchema,
  chatCallSchema,
  completionsCallSchema,
  embeddingsCallSchema,
  geminiCallSchema,
  imagesCallSchema,
  messagesCallSchema,
  modelAnswerSchema,
  moderationsCallSchema,
  rerankAnswerSchema,
  rerankCallSchema,
  responsesCallSchema,
  speechCallSchema,
  transcriptionCallSchema,
} from '../../model/gateway/gateway-call.ts'
import { routableModelSchema, routableModelsSchema } from '../../model/gateway/routable-model.ts'
import type { Shape } from '../../model/gateway/shape.ts'

const query = z.object({
  collection: z
    .string()
    .optional()
    .describe(
      'Collection whose environment is used; the header X-Jetty-Collection has the same effect. Default: the home collection of ' +
        'the key; for the admin token, only models that need no key.',
    ),
  details: flagSchema.describe('Adds the calls that it answers, its context size and prices to each model.'),
})

export const routableModelsContract = {
  listRoutableModels: endpoint({
    method: 'GET',
    path: '/v1/models',
    aliases: ['/models'],
    summary:
      'The models available with the keys in the environment of a collection, in the format of OpenAI and Anthropic',
    tag: 'Chat',
    query,
    response: routableModelsSchema,
    errors: ['not_found'],
    errorBody: 'openai',
    apiKeyHeader: true,
  }),
  getRoutableModel: endpoint({
    method: 'GET',
    path: '/v1/models/{model}',
    // Some clients encode the slashes of a name.
    aliases: ['/v1/models/{model...}', '/models/{model}', '/models/{model...}'],
    summary: 'The provider that currently serves a model; the name may contain slashes',
    tag: 'Chat',
    query,
    response: routableModelSchema,
    errors: ['not_found'],
    errorBody: 'openai',
    apiKeyHeader: true,
  }),
}

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
  mediaTypes: ['text/event-stream'],
  headers: {
    'X-Jetty-Collection':
      'Collection whose model keys are used and in which the call is recorded; jetty.collection in the body has the same effect.',
    'X-Jetty-Labels':
      'Labels of the record as key=value pairs with commas between them, percent-encoded; labels of the jetty block override them.',
    'X-Jetty-Record': 'off: the call is not recorded.',
  },
} as const

/** Further paths for clients whose base URL is the origin, or which prefix every path with /api. */
const aliases = (path: string) => [path, `/api/v1${path}`]

export const gatewayContract = {
  createChatCompletion: endpoint({
    ...call,
    path: '/v1/chat/completions',
    aliases: aliases('/chat/completions'),
    summary:
      "Forward a chat completion to the provider of the model and record it, with OpenAI's request and response. " +
      'With a jetty block it runs a runbook, which needs write access; 202 if the runbook is still running',
    headers: {
      ...call.headers,
      'Idempotency-Key': 'Runbooks only: within a day, the same key returns the same run.',
      'Last-Event-ID': 'Runbooks only, with the Idempotency-Key: the stream continues after this event.',
    },
    errors: [...call.errors, 'idempotency_conflict'],
    body: chatCallSchema,
    response: chatAnswerSchema,
  }),
  createCompletion: endpoint({
    ...call,
    path: '/v1/completions',
    aliases: aliases('/completions'),
    summary: "Forward a call of OpenAI's legacy completions and record it, for providers that have them",
    body: completionsCallSchema,
    response: modelAnswerSchema,
  }),
  createModeration: endpoint({
    ...call,
    path: '/v1/moderations',
    aliases: aliases('/moderations'),
    summary: 'Forward a moderation of texts or images to the provider of the model and record it',
    body: moderationsCallSchema,
    mediaTypes: [],
    response: modelAnswerSchema,
  }),
  rerank: endpoint({
    ...call,
    path: '/v1/rerank',
    aliases: [...aliases('/rerank'), '/v2/rerank'],
    summary: "Forward a reranking of documents to the provider of the model and record it, in Cohere's and Jina's form",
    body: rerankCallSchema,
    mediaTypes: [],
    response: rerankAnswerSchema,
  }),
  createSpeech: endpoint({
    ...call,
    path: '/v1/audio/speech',
    aliases: aliases('/audio/speech'),
    summary: 'Forward a text to be spoken to the provider of the model, pass the sound on as it arrives, and record it',
    body: speechCallSchema,
    mediaTypes: anyFile,
    response: 'bytes',
  }),
  createTranscription: endpoint({
    ...call,
    path: '/v1/audio/transcriptions',
    aliases: aliases('/audio/transcriptions'),
    summary: 'Forward a sound to be transcribed to the provider of the model and record both',
    form: true,
    files: ['file'],
    body: transcriptionCallSchema,
    mediaTypes: ['text/event-stream', 'text/plain'],
    response: modelAnswerSchema,
  }),
  createTranslation: endpoint({
    ...call,
    path: '/v1/audio/translations',
    aliases: aliases('/audio/translations'),
    summary: 'Forward a sound to be translated into English text to the provider of the model and record both',
    form: true,
    files: ['file'],
    body: transcriptionCallSchema,
    mediaTypes: ['text/event-stream', 'text/plain'],
    response: modelAnswerSchema,
  }),
  createEmbeddings: endpoint({
    ...call,
    path: '/v1/embeddings',
    aliases: aliases('/embeddings'),
    summary: 'Forward an embeddings call to the provider of the model and record it',
    body: embeddingsCallSchema,
    mediaTypes: [],
    response: modelAnswerSchema,
  }),
  createImages: endpoint({
    ...call,
    path: '/v1/images/generations',
    aliases: aliases('/images/generations'),
    summary: 'Forward an image generation call to the provider of the model and record it',
    body: imagesCallSchema,
    response: modelAnswerSchema,
  }),
  createResponse: endpoint({
    ...call,
    path: '/v1/responses',
    aliases: aliases('/responses'),
    summary: "Forward a call of OpenAI's Responses API and record it, for providers that support it",
    body: responsesCallSchema,
    response: modelAnswerSchema,
  }),
  createMessage: endpoint({
    ...call,
    path: '/v1/messages',
    aliases: aliases('/messages'),
    summary:
      "Forward a call in the format of Anthropic's Messages API and record it; the token may be sent as x-api-key",
    body: messagesCallSchema,
    response: modelAnswerSchema,
    errorBody: 'anthropic',
    apiKeyHeader: true,
  }),
  countMessageTokens: endpoint({
    ...call,
    path: '/v1/messages/count_tokens',
    aliases: aliases('/messages/count_tokens'),
    summary:
      'Count the tokens of a message without sending it: by Anthropic for its models, as an estimate with `estimated: true` for others',
    body: messagesCallSchema,
    mediaTypes: [],
    response: z.looseObject({ input_tokens: z.int() }),
    errorBody: 'anthropic',
    apiKeyHeader: true,
  }),
  generateContent: endpoint({
    ...call,
    path: '/v1beta/models/{call}',
    // Names may contain slashes.
    aliases: [
      '/v1beta/models/{call...}',
      '/v1alpha/models/{call}',
      '/v1alpha/models/{call...}',
      '/v1/models/{call}',
      '/v1/models/{call...}',
    ],
    summary:
      "Forward a call of Google's Gemini API and record it. The path is the model and a method: generateContent, " +
      'streamGenerateContent (a JSON array, or events with alt=sse) or countTokens; the token may be sent as x-goog-api-key or key',
    query: z.object({
      alt: z.string().optional().describe('`sse`: a stream is sent as events.'),
      key: z.string().optional().describe("The token, where Google's clients send it. It is never logged."),
    }),
    body: geminiCallSchema,
    response: modelAnswerSchema,
    errorBody: 'google',
    googleKey: true,
  }),
}

/** The kind of call of each operation; that of Google's is said by the end of its path. */
export const operationShapes: Record<Exclude<keyof typeof gatewayContract, 'generateContent'>, Shape> = {
  createChatCompletion: 'chat',
  createCompletion: 'completions',
  createModeration: 'moderations',
  rerank: 'rerank',
  createSpeech: 'speech',
  createTranscription: 'transcriptions',
  createTranslation: 'translations',
  createEmbeddings: 'embeddings',
  createImages: 'images',
  createResponse: 'responses',
  createMessage: 'messages',
  countMessageTokens: 'message_tokens',
}

export const realtimeContract = {
  connectRealtime: endpoint({
    method: 'GET',
    path: '/v1/realtime',
    aliases: ['/realtime'],
    summary:
      "OpenAI's realtime API; not supported, because its sessions are no calls that could be recorded one by one",
    tag: 'Chat',
    access: 'none',
    response: z.never(),
    status: 501,
    errors: ['not_supported'],
    errorBody: 'openai',
  }),
}
