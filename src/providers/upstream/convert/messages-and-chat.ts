import { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import type { ChatChunk, ChatCompletion, ChatMessage, ChatPart, ChatRequest } from '../../../model/gateway/chat.ts'
import type { Frame } from '../frames/sse.ts'

const blockSchema = z.looseObject({ type: z.string() })
type Block = z.infer<typeof blockSchema>

/** The members of Anthropic's request that a chat can carry; others are dropped. */
export const messagesRequestSchema = z.looseObject({
  model: z.string().min(1),
  max_tokens: z.number().int().positive(),
  system: z.union([z.string(), z.array(blockSchema)]).nullish(),
  messages: z
    .array(
      z.looseObject({
        role: z.enum(['user', 'assistant', 'system']),
        content: z.union([z.string(), z.array(blockSchema)]),
      }),
    )
    .min(1),
  stream: z.boolean().nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  stop_sequences: z.array(z.string()).nullish(),
  metadata: z.looseObject({ user_id: z.string().nullish() }).nullish(),
  tools: z
    .array(
      z.looseObject({ name: z.string(), description: z.string().nullish(), input_schema: z.looseObject({}).nullish() }),
    )
    .nullish(),
  tool_choice: z
    .looseObject({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: z.string().nullish(),
      disable_parallel_tool_use: z.boolean().nullish(),
    })
    .nullish(),
})

type MessagesRequest = z.infer<typeof messagesRequestSchema>

const textIn = (content: string | Block[] | null | undefined): string => {
  if (typeof content === 'string') return content
  return (content ?? []).map((block) => (typeof block.text === 'string' ? block.text : '')).join('')
}

const noPlace = (type: string): AppError =>
  new AppError('bad_request', `messages: a block of type '${type}' cannot be sent to this provider`, {
    hint: 'This provider is called with chat completions, which support text, images and tools.',
  })

const sourceSchema = z.looseObject({
  type: z.string(),
  media_type: z.string().optional(),
  data: z.string().optional(),
  url: z.string().optional(),
})

const imagePart = (block: Block): ChatPart => {
  const source = sourceSchema.safeParse(block.source).data
  const isInline = source?.type === 'base64' && source.media_type !== undefined && source.data !== undefined
  const url = isInline ? `data:${source.media_type};base64,${source.data}` : source?.url
  if (url === undefined) throw noPlace('image')
  return { type: 'image_url', image_url: { url } }
}

const partOf = (block: Block): ChatPart => {
  if (block.type === 'text') return { type: 'text', text: block.text }
  if (block.type === 'image') return imagePart(block)
  throw noPlace(block.type)
}

const isBlocks = (value: unknown): value is Block[] => z.array(blockSchema).safeParse(value).success

const toolResult = (block: Block): ChatMessage[] => {
  const content = isBlocks(block.content) ? block.content : undefined
  const text = content ? textIn(content) : typeof block.content === 'string' ? block.content : ''
  const images = (content ?? []).filter(({ type }) => type === 'image').map(imagePart)
  const result = { role: 'tool', tool_call_id: block.tool_use_id, content: text }
  return images.length === 0 ? [result] : [result, { role: 'user', content: images }]
}

/** In a chat, results of tools are messages of their own, before the user's words. */
const userMessages = (content: string | Block[]): ChatMessage[] => {
  if (typeof content === 'string') return [{ role: 'user', content }]
  const results = content.filter(({ type }) => type === 'tool_result').flatMap(toolResult)
  const parts = content.filter(({ type }) => type !== 'tool_result').map(partOf)
  return parts.length === 0 ? results : [...results, { role: 'user', content: parts }]
}

const toolCall = (block: Block) => ({
  id: block.id,
  type: 'function',
  function: { name: block.name, arguments: JSON.stringify(block.input ?? {}) },
})

const assistantMessage = (content: string | Block[]): ChatMessage => {
  if (typeof content === 'string') return { role: 'assistant', content }
  const calls = content.filter(({ type }) => type === 'tool_use').map(toolCall)
  const text = textIn(content)
  return { role: 'assistant', content: text === '' ? null : text, ...(calls.length > 0 ? { tool_calls: calls } : {}) }
}

const toolChoice = ({ type, name }: NonNullable<MessagesRequest['tool_choice']>): unknown => {
  if (type === 'tool') return { type: 'function', function: { name } }
  return type === 'any' ? 'required' : type
}

/** The options of the request under the names of a chat. */
const optionsOf = (request: MessagesRequest): Record<string, unknown> => {
  const tools = request.tools?.map(({ name, description, input_schema: parameters }) => ({
    type: 'function',
    function: { name, description, parameters: parameters ?? { type: 'object', properties: {} } },
  }))
  const options = {
    temperature: request.temperature,
    top_p: request.top_p,
    stop: request.stop_sequences,
    user: request.metadata?.user_id,
    tools,
    tool_choice: request.tool_choice ? toolChoice(request.tool_choice) : undefined,
    parallel_tool_calls: request.tool_choice?.disable_parallel_tool_use ? false : undefined,
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null))
}

/** Converts Anthropic's request to a chat. Throws `bad_request` for a block that a chat cannot carry. */
export const chatFromMessages = (request: MessagesRequest): ChatRequest => {
  const system = textIn(request.system)
  const messages = request.messages.flatMap(({ role, content }): ChatMessage[] => {
    if (role === 'assistant') return [assistantMessage(content)]
    return role === 'system' ? [{ role, content: textIn(content) }] : userMessages(content)
  })
  return {
    model: request.model,
    messages: system === '' ? messages : [{ role: 'system', content: system }, ...messages],
    max_tokens: request.max_tokens,
    ...optionsOf(request),
  }
}

const stopReasons: Record<string, string> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  function_call: 'tool_use',
  content_filter: 'refusal',
}

/** Anthropic's word for a finish reason. */
export const stopReason = (finish: string | null | undefined): string => stopReasons[finish ?? 'stop'] ?? 'end_turn'

/** Converts usage to Anthropic's form, which counts tokens read from a cache separately. */
const messagesUsage = (usage: ChatCompletion['usage']) => {
  const details = usage?.prompt_tokens_details
  const cached = typeof details === 'object' && details !== null ? Reflect.get(details, 'cached_tokens') : 0
  const fromCache = typeof cached === 'number' ? cached : 0
  return {
    input_tokens: Math.max(0, (usage?.prompt_tokens ?? 0) - fromCache),
    output_tokens: usage?.completion_tokens ?? 0,
    cache_read_input_tokens: fromCache,
    cache_creation_input_tokens: 0,
  }
}

/** Parses the arguments of a tool call; an empty object if the model wrote no JSON object. */
const inputOf = (text: unknown): unknown => {
  try {
    const value: unknown = JSON.parse(String(text))
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

const callSchema = z.looseObject({
  id: z.string().nullish(),
  function: z.looseObject({ name: z.string(), arguments: z.unknown() }),
})

/** Converts the answer of a chat to Anthropic's message. */
export const messageFromChat = (completion: ChatCompletion, model: string) => {
  const choice = completion.choices[0]
  const text = textIn(choice?.message.content)
  const calls = z.array(callSchema).safeParse(choice?.message.tool_calls).data ?? []
  const uses = calls.map(({ id, function: { name, arguments: input } }, index) => ({
    type: 'tool_use',
    id: id ?? `toolu_${index}`,
    name,
    input: inputOf(input),
  }))
  return {
    id: `msg_${completion.id ?? 'unnamed'}`,
    type: 'message',
    role: 'assistant',
    model: completion.model ?? model,
    content: [...(text === '' ? [] : [{ type: 'text', text }]), ...uses],
    stop_reason: stopReason(choice?.finish_reason),
    stop_sequence: null,
    usage: messagesUsage(completion.usage),
  }
}

const event = (data: { type: string } & Record<string, unknown>): Frame => {
  const text = JSON.stringify(data)
  return { bytes: Buffer.from(`event: ${data.type}\ndata: ${text}\n\n`), data: text }
}

const callDeltas = z
  .array(
    z.looseObject({
      index: z.number().int().nullish(),
      id: z.string().nullish(),
      function: z.looseObject({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
    }),
  )
  .nullish()
  .catch(null)

/** Numbers the blocks of a message. Tool calls stay open to the end: their arguments may arrive interleaved. */
const makeBlocks = () => {
  let next = 0
  let text: number | undefined
  const calls = new Map<number, number>()
  const start = (block: Record<string, unknown>): Frame =>
    event({ type: 'content_block_start', index: next, content_block: block })
  const stop = (index: number): Frame => event({ type: 'content_block_stop', index })
  const closeText = (): Frame[] => {
    if (text === undefined) return []
    const closed = stop(text)
    text = undefined
    return [closed]
  }
  return {
    text(words: string): Frame[] {
      const opened = text === undefined ? [start({ type: 'text', text: '' })] : []
      text ??= next++
      const delta = { type: 'text_delta', text: words }
      return [...opened, event({ type: 'content_block_delta', index: text, delta })]
    },
    call(number: number, use: { id: string; name: string }, partial: string): Frame[] {
      const known = calls.get(number)
      const opened = known === undefined ? [...closeText(), start({ type: 'tool_use', ...use, input: {} })] : []
      const index = known ?? next++
      calls.set(number, index)
      const delta = { type: 'input_json_delta', partial_json: partial }
      return partial === '' ? opened : [...opened, event({ type: 'content_block_delta', index, delta })]
    },
    close: (): Frame[] => [...closeText(), ...[...calls.values()].map(stop)],
  }
}

/** Converts the chunks of a chat to the events of Anthropic's stream. Breaks off where the chunks do. */
export const messageEvents = async function* (chunks: AsyncIterable<ChatChunk>, asked: string): AsyncGenerator<Frame> {
  const blocks = makeBlocks()
  let hasBegun = false
  let finish: string | null | undefined
  let usage: ChatChunk['usage']

  for await (const chunk of chunks) {
    if (!hasBegun) {
      hasBegun = true
      const message = {
        id: `msg_${chunk.id ?? 'unnamed'}`,
        type: 'message',
        role: 'assistant',
        model: chunk.model ?? asked,
      }
      const empty = { content: [], stop_reason: null, stop_sequence: null, usage: messagesUsage(chunk.usage) }
      yield event({ type: 'message_start', message: { ...message, ...empty } })
    }
    usage = chunk.usage ?? usage
    const choice = chunk.choices.find(({ index }) => (index ?? 0) === 0)
    finish = choice?.finish_reason ?? finish
    const text = choice?.delta?.content
    if (text) yield* blocks.text(text)
    for (const { index, id, function: called } of callDeltas.parse(choice?.delta?.tool_calls) ?? []) {
      const number = index ?? 0
      yield* blocks.call(number, { id: id ?? `toolu_${number}`, name: called?.name ?? '' }, called?.arguments ?? '')
    }
  }
  yield* blocks.close()
  const counted = messagesUsage(usage)
  yield event({
    type: 'message_delta',
    delta: { stop_reason: stopReason(finish), stop_sequence: null },
    usage: counted,
  })
  yield event({ type: 'message_stop' })
}
