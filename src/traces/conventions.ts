/**
 * What the attributes of a span mean. Each row lists the names that published conventions have for one thing, the most
 * exact first: OpenTelemetry's GenAI (1.27 to 1.38), OpenInference, OpenLLMetry, the AI SDK, Langfuse, LangSmith's OTLP,
 * Mastra, Claude Code and Codex.
 */
import { isObject, type JsonObject, parsedJson } from '../lib/json/json-object.ts'
import type { ModelUsage } from '../model/gateway/chat.ts'
import type { Span } from './otlp.ts'
import { countsTokens, statedCostOf, tokensOf } from './tokens.ts'

/** Kinds of spans; the activity of the step that records one. */
type SpanKind = 'chat' | 'embeddings' | 'tool' | 'agent' | 'retriever' | 'span'

const kindNames: readonly { attribute: string; kinds: Readonly<Record<string, SpanKind>> }[] = [
  {
    attribute: 'openinference.span.kind',
    kinds: {
      llm: 'chat',
      embedding: 'embeddings',
      tool: 'tool',
      agent: 'agent',
      retriever: 'retriever',
      chain: 'span',
      reranker: 'span',
      guardrail: 'span',
      evaluator: 'span',
      prompt: 'span',
    },
  },
  {
    attribute: 'langfuse.observation.type',
    kinds: {
      generation: 'chat',
      embedding: 'embeddings',
      tool: 'tool',
      agent: 'agent',
      retriever: 'retriever',
      chain: 'span',
      span: 'span',
      event: 'span',
      guardrail: 'span',
      evaluator: 'span',
    },
  },
  {
    attribute: 'gen_ai.operation.name',
    kinds: {
      chat: 'chat',
      text_completion: 'chat',
      generate_content: 'chat',
      embeddings: 'embeddings',
      execute_tool: 'tool',
      invoke_agent: 'agent',
      create_agent: 'agent',
      invoke_workflow: 'agent',
      // Mastra
      'agent.run': 'agent',
      'workflow.run': 'agent',
      'tool.execute': 'tool',
      'model.step': 'span',
      'model.chunk': 'span',
    },
  },
  {
    attribute: 'ai.operationId',
    kinds: {
      'ai.generatetext.dogenerate': 'chat',
      'ai.streamtext.dostream': 'chat',
      'ai.generateobject.dogenerate': 'chat',
      'ai.streamobject.dostream': 'chat',
      'ai.embed.doembed': 'embeddings',
      'ai.embedmany.doembed': 'embeddings',
      'ai.toolcall': 'tool',
      'ai.generatetext': 'agent',
      'ai.streamtext': 'agent',
      'ai.generateobject': 'agent',
      'ai.streamobject': 'agent',
      'ai.embed': 'span',
      'ai.embedmany': 'span',
    },
  },
  { attribute: 'traceloop.span.kind', kinds: { workflow: 'agent', agent: 'agent', tool: 'tool', task: 'span' } },
  { attribute: 'llm.request.type', kinds: { chat: 'chat', completion: 'chat', embedding: 'embeddings' } },
  {
    attribute: 'langsmith.span.kind',
    kinds: { llm: 'chat', tool: 'tool', retriever: 'retriever', embedding: 'embeddings', chain: 'span' },
  },
  // Claude Code
  { attribute: 'span.type', kinds: { llm_request: 'chat', tool: 'tool', interaction: 'agent' } },
]

/** Our ids of providers that conventions name otherwise. */
const providerIds: Readonly<Record<string, string>> = {
  'aws.bedrock': 'bedrock',
  aws: 'bedrock',
  'amazon-bedrock': 'bedrock',
  'az.ai.openai': 'azure',
  'az.ai.inference': 'azure',
  'azure.ai.openai': 'azure',
  'azure.ai.inference': 'azure',
  'azure-openai': 'azure',
  'gcp.gemini': 'gemini',
  'gcp.gen-ai': 'gemini',
  'google.generative-ai': 'gemini',
  'google-genai': 'gemini',
  'gcp.vertex-ai': 'vertex',
  'gcp.vertex.agent': 'vertex',
  'google.vertex': 'vertex',
  'google-vertexai': 'vertex',
  vertexai: 'vertex',
  'mistral-ai': 'mistral',
  'x-ai': 'xai',
  'moonshot-ai': 'moonshotai',
}

/** A provider in our words: `openai` for `openai.chat`, as the AI SDK names it. */
const providerId = (given: string): string => {
  const name = given.slice(0, 100).toLowerCase().replaceAll('_', '-')
  const parts = name.split('.')
  for (let count = parts.length; count > 0; count--) {
    const known = providerIds[parts.slice(0, count).join('.')]
    if (known !== undefined) return known
  }
  return parts[0] ?? name
}

const names = {
  model: [
    'gen_ai.response.model',
    'gen_ai.request.model',
    'llm.model_name',
    'embedding.model_name',
    'ai.response.model',
    'ai.model.id',
    'langfuse.observation.model.name',
    'langfuse.observation.model',
  ],
  provider: ['gen_ai.provider.name', 'gen_ai.system', 'llm.provider', 'llm.system', 'ai.model.provider'],
  finish: [
    'gen_ai.response.finish_reasons',
    'ai.response.finishReason',
    'llm.finish_reason',
    'gen_ai.completion.0.finish_reason',
  ],
  tool: ['gen_ai.tool.name', 'tool.name', 'ai.toolCall.name', 'tool_name'],
  given: [
    'gen_ai.input.messages',
    'ai.prompt.messages',
    'gen_ai.tool.call.arguments',
    'gen_ai.tool.input',
    'ai.toolCall.args',
    'langfuse.observation.input',
    'traceloop.entity.input',
    'ai.prompt',
    'ai.value',
    'ai.values',
    'gen_ai.prompt',
    'input.value',
    'input',
    'user_prompt',
    'full_command',
  ],
  made: [
    'gen_ai.output.messages',
    'ai.response.text',
    'ai.response.object',
    'gen_ai.tool.call.result',
    'gen_ai.tool.output',
    'ai.toolCall.result',
    'langfuse.observation.output',
    'traceloop.entity.output',
    'gen_ai.completion',
    'output.value',
    'output',
  ],
  user: [
    'langfuse.user.id',
    'user.id',
    'enduser.id',
    'ai.telemetry.metadata.userId',
    'traceloop.association.properties.user_id',
  ],
  session: [
    'langfuse.session.id',
    'session.id',
    'gen_ai.conversation.id',
    'ai.telemetry.metadata.sessionId',
    'traceloop.association.properties.session_id',
    'langsmith.trace.session_id',
  ],
  answer: ['gen_ai.response.id', 'ai.response.id', 'llm.response.id'],
  task: ['jetty.task'],
  service: ['service.name'],
} as const

type Meaning = keyof typeof names

/** The first attribute of a meaning that a span has. */
const attributeOf = (attributes: JsonObject, meaning: Meaning): unknown => {
  const name = names[meaning].find((one) => attributes[one] !== undefined && attributes[one] !== null)
  return name === undefined ? undefined : attributes[name]
}

const textIn = (attributes: JsonObject, meaning: Meaning): string | undefined => {
  const value = attributeOf(attributes, meaning)
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

const providerOf = (attributes: JsonObject): string | undefined => {
  const name = textIn(attributes, 'provider')
  return name === undefined ? undefined : providerId(name)
}

const kindOf = (attributes: JsonObject): SpanKind => {
  for (const { attribute, kinds } of kindNames) {
    const name = attributes[attribute]
    const kind = typeof name === 'string' ? kinds[name.toLowerCase()] : undefined
    if (kind) return kind
  }
  if (attributes['gen_ai.tool.name'] !== undefined) return 'tool'
  return attributeOf(attributes, 'model') === undefined && !countsTokens(attributes) ? 'span' : 'chat'
}

/** Longer texts stay as they are: they would keep the thread for too long. */
const mostJson = 512 * 1024

/** Reads values that an attribute holds as JSON text; other texts stay. */
const unpacked = (value: unknown): unknown => {
  if (typeof value !== 'string' || value.length > mostJson || !/^\s*[[{"]/.test(value)) return value
  return parsedJson(value) ?? value
}

/** Lists that conventions write flat: `llm.input_messages.0.message.role` and so on. */
const flatLists = {
  given: ['llm.input_messages', 'gen_ai.prompt'],
  made: ['llm.output_messages', 'gen_ai.completion'],
} as const

const mostMessages = 10_000

/** Rebuilds a flat list. Numbers of a list that leave gaps, or are large, are put close together. */
const flatList = (attributes: JsonObject, prefix: string): JsonObject[] => {
  const rows = new Map<number, JsonObject>()
  for (const [name, value] of Object.entries(attributes)) {
    const found = name.startsWith(`${prefix}.`) ? /^\.(\d{1,6})\.(.+)$/.exec(name.slice(prefix.length)) : null
    if (!found || rows.size > mostMessages) continue
    const row = rows.get(Number(found[1])) ?? {}
    row[(found[2] ?? '').replace(/^message\./, '')] = value
    rows.set(Number(found[1]), row)
  }
  return [...rows].sort(([one], [other]) => one - other).map(([, row]) => row)
}

/** A message of a flat list as a chat has it; its tool calls are flat lists again. */
const flatMessage = (row: JsonObject): JsonObject => {
  const contents = flatList(row, 'contents')
  const content =
    row.content ?? (contents.length > 0 ? contents.map((one) => one['message_content.text'] ?? '').join('') : null)
  const calls = flatList(row, 'tool_calls').map((call) => {
    const plain = (name: string): unknown => call[`tool_call.${name}`] ?? call[name]
    return {
      id: plain('id') ?? null,
      type: 'function',
      function: {
        name: plain('function.name') ?? call.name ?? null,
        arguments: plain('function.arguments') ?? call.arguments ?? '',
      },
    }
  })
  return { role: row.role ?? 'user', content, ...(calls.length > 0 ? { tool_calls: calls } : {}) }
}

/** A tool call as a chat has it, from the AI SDK's; others stay. */
const toolCall = (call: unknown): unknown => {
  if (!isObject(call) || typeof call.toolName !== 'string') return call
  const given = call.input ?? call.args ?? {}
  return {
    id: call.toolCallId ?? null,
    type: 'function',
    function: { name: call.toolName, arguments: typeof given === 'string' ? given : JSON.stringify(given) },
  }
}

/** A message of the AI SDK, `{role, content: [{type, …}]}`, as a chat has it: with its calls of tools, or the answer of one. */
const contentMessage = (message: JsonObject): JsonObject => {
  const parts = Array.isArray(message.content) ? message.content.filter(isObject) : []
  const result = parts.find(({ type }) => type === 'tool-result')
  if (result)
    return { role: 'tool', content: result.output ?? result.result ?? '', tool_call_id: result.toolCallId ?? null }
  const calls = parts.filter(({ type }) => type === 'tool-call').map(toolCall)
  if (calls.length === 0) return message
  const rest = parts.filter(({ type }) => type !== 'tool-call')
  return { ...message, content: rest.length > 0 ? rest : null, tool_calls: calls }
}

/** A message of the GenAI conventions, `{role, parts}`, as a chat has it. */
const partsMessage = (message: JsonObject): JsonObject => {
  if (!Array.isArray(message.parts)) return contentMessage(message)
  const parts = message.parts.filter(isObject)
  const text = parts.filter(({ type }) => type === 'text').map((part) => String(part.content ?? part.text ?? ''))
  const calls = parts
    .filter(({ type }) => type === 'tool_call')
    .map(({ id, name, arguments: given }) => ({
      ...{ id: id ?? null, type: 'function' },
      function: { name, arguments: typeof given === 'string' ? given : JSON.stringify(given ?? {}) },
    }))
  const answer = parts.find(({ type }) => type === 'tool_call_response')
  return {
    role: message.role ?? 'user',
    content: answer ? (answer.result ?? answer.response ?? '') : text.join(''),
    ...(answer?.id ? { tool_call_id: answer.id } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  }
}

const asMessages = (value: unknown): JsonObject[] | undefined => {
  const list = isObject(value) && Array.isArray(value.messages) ? value.messages : value
  if (!Array.isArray(list) || list.length === 0 || !list.every((one) => isObject(one) && 'role' in one))
    return undefined
  return (list as JsonObject[]).map(partsMessage)
}

const flat = (attributes: JsonObject, side: keyof typeof flatLists): JsonObject[] | undefined => {
  for (const prefix of flatLists[side]) {
    const rows = flatList(attributes, prefix)
    if (rows.length > 0) return rows.map(flatMessage)
  }
  return undefined
}

const inputsOf = (kind: SpanKind, attributes: JsonObject): JsonObject => {
  const value = unpacked(attributeOf(attributes, 'given'))
  const messages = flat(attributes, 'given') ?? asMessages(value)
  const system = unpacked(attributes['gen_ai.system_instructions'])
  const instructions = Array.isArray(system) ? partsMessage({ role: 'system', parts: system }) : undefined
  if (kind === 'chat' && messages) {
    return { model: textIn(attributes, 'model'), messages: [...(instructions ? [instructions] : []), ...messages] }
  }
  const tool = kind === 'tool' ? textIn(attributes, 'tool') : undefined
  return {
    ...(tool === undefined ? {} : { tool }),
    ...(kind === 'chat' || kind === 'embeddings' ? { model: textIn(attributes, 'model') } : {}),
    ...(value === undefined && !messages ? {} : { input: messages ?? value }),
  }
}

const finishOf = (attributes: JsonObject): string | null => {
  const value = unpacked(attributeOf(attributes, 'finish'))
  const first: unknown = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' ? first : null
}

const outputsOf = (kind: SpanKind, attributes: JsonObject): JsonObject => {
  const value = unpacked(attributeOf(attributes, 'made'))
  const messages = flat(attributes, 'made') ?? asMessages(value)
  if (kind !== 'chat') return value === undefined && !messages ? {} : { output: messages ?? value }
  const [message] = messages ?? []
  const content = message ? message.content : value
  const text =
    typeof content === 'string' ? content : content === undefined || content === null ? '' : JSON.stringify(content)
  const calls = message?.tool_calls ?? unpacked(attributes['ai.response.toolCalls'])
  return {
    text,
    content: text,
    model: textIn(attributes, 'model') ?? null,
    provider: providerOf(attributes) ?? null,
    finish_reason: finishOf(attributes),
    ...(Array.isArray(calls) && calls.length > 0 ? { tool_calls: calls.map(toolCall) } : {}),
  }
}

/** Ids of answers as providers make them, within the JSON of an answer. */
const answerIdPattern = /"id"\s*:\s*"((?:chatcmpl|cmpl|resp|msg|gen)[-_][\w-]{6,100})"/

/** Characters of an answer that are searched for its id. */
const mostSearched = 64 * 1024

/** OpenInference has no attribute for the id of an answer, but sends the answer as JSON. */
const answerIdOf = (attributes: JsonObject): string | undefined => {
  const named = textIn(attributes, 'answer')
  if (named) return named
  const value = attributes['output.value']
  return typeof value === 'string' ? answerIdPattern.exec(value.slice(0, mostSearched))?.[1] : undefined
}

/** A span in the words of a step. */
interface ReadSpan {
  kind: SpanKind
  inputs: JsonObject
  outputs: JsonObject
  /** The model that it called; undefined if it called none, or does not name it. */
  call: { provider: string | undefined; model: string } | undefined
  /** Undefined for a span that called no model, or counted nothing. */
  tokens: ModelUsage | undefined
  /** US dollars as the sender states them; undefined if it does not. */
  statedUsd: number | undefined
  /** The id of the model's answer, which each witness of the call knows; undefined if the span does not have it. */
  answerId: string | undefined
  user: string | undefined
  session: string | undefined
}

/** Reads a span by the conventions. Spans above a model call repeat its tokens, so only the call itself counts them. */
export const readSpan = ({ attributes }: Pick<Span, 'attributes'>): ReadSpan => {
  const kind = kindOf(attributes)
  const isCall = kind === 'chat' || kind === 'embeddings'
  const model = isCall ? textIn(attributes, 'model') : undefined
  return {
    kind,
    call: model === undefined ? undefined : { provider: providerOf(attributes), model },
    inputs: inputsOf(kind, attributes),
    outputs: outputsOf(kind, attributes),
    tokens: isCall ? tokensOf(attributes) : undefined,
    statedUsd: isCall ? statedCostOf(attributes) : undefined,
    answerId: isCall ? answerIdOf(attributes) : undefined,
    user: textIn(attributes, 'user'),
    session: textIn(attributes, 'session'),
  }
}

/** Steps from a call up to the span that names its model, at most. */
const mostAncestors = 16

/**
 * Attributes that a call has from the spans around it: Codex names the model only there. `spanOf` finds spans that arrived
 * with it.
 */
export const inheritedOf = (
  { attributes, parentId }: Pick<Span, 'attributes' | 'parentId'>,
  spanOf: (id: string) => Pick<Span, 'attributes' | 'parentId'> | undefined,
): JsonObject | undefined => {
  if (!countsTokens(attributes) || attributeOf(attributes, 'model') !== undefined) return undefined
  let above = parentId === null ? undefined : spanOf(parentId)
  for (let step = 0; above && step < mostAncestors; step++) {
    if (typeof above.attributes.model === 'string') return { 'gen_ai.request.model': above.attributes.model }
    above = above.parentId === null ? undefined : spanOf(above.parentId)
  }
  return undefined
}

/** The program that sent a span, as it calls itself; undefined if it does not say. */
export const serviceOf = ({ resource }: Pick<Span, 'resource'>): string | undefined => textIn(resource, 'service')

/** Name of the task that records a trace: the one that the sender names, else its service. */
export const taskOf = (span: Pick<Span, 'attributes' | 'resource'>): string | undefined =>
  textIn(span.attributes, 'task') ?? textIn(span.resource, 'task') ?? serviceOf(span)
