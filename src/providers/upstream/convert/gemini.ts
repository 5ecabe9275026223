import { AppError } from '../../../lib/errors.ts'
import { isObject, type JsonObject, parsedJson, parsedObject } from '../../../lib/json/json-object.ts'
import { objectsOf, stringOf } from '../../../lib/json/json-values.ts'
import { failureIn } from '../formats/format.ts'
import type { Frame, FrameStream } from '../frames/sse.ts'
import { usageIn } from '../usage/usage.ts'
import { mergeDelta } from './merge-delta.ts'

// Some models accept the result of a tool only together with the reasoning that led to its call. A chat has it in
// `reasoning_details`. Gemini has a signature that its clients hand back unread, which carries the details here.
const mark = 'jetty:'
/** Longer reasoning is dropped: the model then reasons again. */
const mostCharacters = 1024 * 1024

/** Reasoning details as a signature; undefined for none, or for more than can be carried. */
const signatureOf = (details: readonly unknown[]): string | undefined => {
  if (details.length === 0) return undefined
  const text = JSON.stringify(details)
  return text.length > mostCharacters ? undefined : Buffer.from(mark + text).toString('base64')
}

/** The reasoning details in a signature; undefined for a signature that is not ours. */
const detailsIn = (signature: unknown): unknown[] | undefined => {
  if (typeof signature !== 'string') return undefined
  const text = Buffer.from(signature, 'base64').toString()
  const details = text.startsWith(mark) ? parsedJson(text.slice(mark.length)) : undefined
  return Array.isArray(details) ? details : undefined
}

/** Converts the events of a chat to those of Gemini as they arrive. */
interface GeminiEvents {
  take(data: string): Buffer
  /** Returns the events that depend on the complete answer. */
  rest(): Buffer
}

const finishReasons: Readonly<Record<string, string>> = {
  stop: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
}

const errorOf = (error: unknown): JsonObject => {
  const { code, message } = failureIn(error)
  return { error: { code: Number(code) || 502, message, status: 'INTERNAL' } }
}

/** Gemini counts thoughts apart. */
const usageMetadata = (usage: JsonObject): JsonObject => {
  const { prompt_tokens = 0, completion_tokens = 0, cached_tokens, reasoning_tokens = 0 } = usageIn(usage) ?? {}
  return {
    promptTokenCount: prompt_tokens,
    candidatesTokenCount: Math.max(0, completion_tokens - reasoning_tokens),
    totalTokenCount: prompt_tokens + completion_tokens,
    ...(reasoning_tokens > 0 && { thoughtsTokenCount: reasoning_tokens }),
    ...(cached_tokens !== undefined && { cachedContentTokenCount: cached_tokens }),
  }
}

const functionCalls = (toolCalls: unknown): { id: string; name: string; args: JsonObject | undefined }[] =>
  objectsOf(toolCalls).map(({ id, function: called }) => {
    const { name, arguments: text } = isObject(called) ? called : {}
    return { id: stringOf(id), name: stringOf(name), args: parsedObject(stringOf(text) || '{}') }
  })

/** Collects the parts of an answer that only its end completes. */
const makeAnswer = () => {
  /** Tool calls and reasoning, merged from their deltas. */
  const merged: JsonObject = {}
  let finish: string | undefined
  let usage: JsonObject | undefined
  let about: JsonObject = {}

  const response = (parts: JsonObject[], more: JsonObject = {}): JsonObject => ({
    candidates: [{ index: 0, content: { role: 'model', parts }, ...more }],
    ...about,
  })

  return {
    /** Takes a chunk, or a whole answer; returns the words in it. */
    take(chunk: JsonObject): JsonObject[] {
      about = { modelVersion: chunk.model ?? about.modelVersion, responseId: chunk.id ?? about.responseId }
      if (isObject(chunk.usage)) usage = chunk.usage
      const [choice] = objectsOf(chunk.choices)
      if (typeof choice?.finish_reason === 'string') finish = choice.finish_reason
      const said = choice?.delta ?? choice?.message
      if (!isObject(said)) return []
      const { tool_calls, reasoning_details } = said
      mergeDelta(merged, { tool_calls, reasoning_details })
      const thought = stringOf(said.reasoning ?? said.reasoning_content)
      const text = stringOf(said.content)
      return [...(thought === '' ? [] : [{ text: thought, thought: true }]), ...(text === '' ? [] : [{ text }])]
    },
    response,
    /** The last response; undefined if the model has not said that it has finished. */
    end(parts: JsonObject[]): JsonObject | undefined {
      if (finish === undefined) return undefined
      const read = functionCalls(merged.tool_calls)
      const areComplete = read.every(({ args }) => args !== undefined)
      const calls: JsonObject[] = areComplete ? read.map((functionCall) => ({ functionCall })) : []
      const signature = signatureOf(objectsOf(merged.reasoning_details))
      const last = [...parts, ...calls]
      // The signature belongs to the first call, or to the last words.
      const bearer = calls[0] ?? last.at(-1)
      if (signature !== undefined) {
        if (bearer) bearer.thoughtSignature = signature
        else last.push({ text: '', thoughtSignature: signature })
      }
      const finishReason = areComplete ? (finishReasons[finish] ?? 'OTHER') : 'MALFORMED_FUNCTION_CALL'
      return { ...response(last, { finishReason }), ...(usage && { usageMetadata: usageMetadata(usage) }) }
    },
  }
}

const nothing: Buffer = Buffer.alloc(0)
const event = (value: JsonObject): Buffer => Buffer.from(`data: ${JSON.stringify(value)}\n\n`)

/** Converts a streamed chat. A stream that breaks off gets no end. */
export const makeGeminiEvents = (): GeminiEvents => {
  const answer = makeAnswer()
  let isOver = false
  return {
    take(data) {
      const read = isOver ? undefined : parsedObject(data)
      if (!read) return nothing
      if (read.error) {
        isOver = true
        return event(errorOf(read.error))
      }
      const parts = answer.take(read)
      return parts.length > 0 ? event(answer.response(parts)) : nothing
    },
    rest() {
      const end = isOver ? undefined : answer.end([])
      return end ? event(end) : nothing
    },
  }
}

const eventOf = (bytes: Buffer): Frame => ({ bytes, data: bytes.toString('utf8', 'data: '.length).trimEnd() })

/** Converts the chunks of a chat to Gemini's events. Breaks off where the chunks do. */
export const geminiChunks = async function* (chunks: AsyncIterable<JsonObject>): AsyncGenerator<Frame> {
  const events = makeGeminiEvents()
  for await (const chunk of chunks) {
    const bytes = events.take(JSON.stringify(chunk))
    if (bytes.length > 0) yield eventOf(bytes)
  }
  const rest = events.rest()
  if (rest.length > 0) yield eventOf(rest)
}

/** Converts a chat completion to Gemini's answer; undefined if it has no end. */
export const geminiAnswer = (completion: JsonObject): JsonObject | undefined => {
  const answer = makeAnswer()
  return answer.end(answer.take(completion))
}

/** A stream of events as the pieces of one JSON array; the format of the array ends it. */
export const geminiArray = (events: FrameStream): FrameStream => {
  let before = '['
  const element = ({ bytes, data, ...frame }: Frame): Frame => {
    if (data === undefined) return { ...frame, bytes: frame.isPiece ? bytes : nothing, data }
    const written = Buffer.from(before + data)
    before = ',\r\n'
    return { ...frame, bytes: written, data }
  }
  return {
    ...events,
    readTo: (sink) => events.readTo({ take: (frames) => sink.take(frames.map(element)), end: (why) => sink.end(why) }),
  }
}

/** Converts a whole chat completion; anything else becomes an error of Gemini's. */
export const geminiFromChat = (text: string): Buffer => {
  const completion = parsedObject(text)
  if (!completion || completion.error) {
    return Buffer.from(JSON.stringify(errorOf(completion?.error ?? 'The answer is not a JSON object')))
  }
  return Buffer.from(JSON.stringify(geminiAnswer(completion) ?? errorOf('The answer has no end')))
}

const given = (members: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null))

const noPlace = (what: string): AppError =>
  new AppError('bad_request', `${what} cannot be sent to this provider, which is called with chat completions`, {
    hint: 'A chat completion has text, images, sounds, files, functions and their results.',
  })

/** Matches results of tools with their calls. Gemini itself matches by name and order. */
const makeCallIds = () => {
  const open: { id: string; name: string }[] = []
  let count = 0
  return {
    begin(call: JsonObject): string {
      const id = stringOf(call.id) || `call_${++count}`
      open.push({ id, name: stringOf(call.name) })
      return id
    },
    end(result: JsonObject): string {
      const byId = open.findIndex(({ id }) => id === result.id)
      const at = byId === -1 ? open.findIndex(({ name }) => name === result.name) : byId
      const [found] = at === -1 ? [] : open.splice(at, 1)
      return found?.id ?? (stringOf(result.id) || stringOf(result.name))
    },
  }
}
type CallIds = ReturnType<typeof makeCallIds>

const mediaPart = ({ inlineData, fileData }: JsonObject): JsonObject => {
  if (isObject(inlineData)) {
    const type = stringOf(inlineData.mimeType)
    const url = `data:${type};base64,${stringOf(inlineData.data)}`
    if (type.startsWith('image/')) return { type: 'image_url', image_url: { url } }
    if (type.startsWith('audio/')) {
      return { type: 'input_audio', input_audio: { data: inlineData.data, format: type.slice('audio/'.length) } }
    }
    return { type: 'file', file: { filename: `file.${type.slice(type.indexOf('/') + 1)}`, file_data: url } }
  }
  if (isObject(fileData)) return { type: 'image_url', image_url: { url: stringOf(fileData.fileUri) } }
  throw noPlace('A part that is neither text, a file nor a call of a tool')
}

const isText = ({ text }: JsonObject): boolean => typeof text === 'string'

const toolMessage = (result: JsonObject, ids: CallIds): JsonObject => {
  const { response } = result
  const output = isObject(response) ? (response.output ?? response.error ?? response) : response
  const content = typeof output === 'string' ? output : JSON.stringify(output ?? {})
  return { role: 'tool', tool_call_id: ids.end(result), content }
}

const userMessages = (parts: JsonObject[], ids: CallIds): JsonObject[] => {
  const results = parts.flatMap(({ functionResponse: result }) => (isObject(result) ? [result] : []))
  // Gemini puts the files of a tool's result inside the result; a chat has them in the next message.
  const shown = [...parts, ...results.flatMap(({ parts }) => objectsOf(parts))].filter(
    ({ functionResponse }) => !isObject(functionResponse),
  )
  const content = shown.map((part) => (isText(part) ? { type: 'text', text: part.text } : mediaPart(part)))
  const messages = results.map((result) => toolMessage(result, ids))
  return content.length === 0 ? messages : [...messages, { role: 'user', content }]
}

const assistantMessage = (parts: JsonObject[], ids: CallIds): JsonObject => {
  const text = parts.map((part) => (part.thought === true ? '' : stringOf(part.text))).join('')
  const calls = parts.flatMap(({ functionCall: call }) =>
    isObject(call)
      ? [
          {
            id: ids.begin(call),
            type: 'function',
            function: { name: call.name, arguments: JSON.stringify(call.args ?? {}) },
          },
        ]
      : [],
  )
  const reasoning = parts.flatMap(({ thoughtSignature }) => detailsIn(thoughtSignature) ?? [])
  return {
    role: 'assistant',
    content: text === '' ? null : text,
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(reasoning.length > 0 && { reasoning_details: reasoning }),
  }
}

/** A JSON schema with its types in lower case: Gemini writes them in capitals. */
const jsonSchema = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(jsonSchema)
  if (!isObject(schema)) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [
      name,
      name === 'type' && typeof value === 'string' ? value.toLowerCase() : jsonSchema(value),
    ]),
  )
}

const toolsOf = (tools: unknown): JsonObject[] =>
  objectsOf(tools).flatMap(({ functionDeclarations, ...others }) => {
    const [other] = Object.keys(given(others))
    if (other !== undefined) throw noPlace(`The tool ${other}`)
    return objectsOf(functionDeclarations).map(({ name, description, parametersJsonSchema, parameters }) => ({
      type: 'function',
      function: given({ name, description, parameters: parametersJsonSchema ?? jsonSchema(parameters) }),
    }))
  })

/** Names that Google's REST API also takes with underscores, as its examples write them. */
const spelledOut = /_([a-z])/g
/** Values of these members are the user's own, and keep their names. */
const opaque = new Set([
  'args',
  'response',
  'parameters',
  'responseSchema',
  'parametersJsonSchema',
  'responseJsonSchema',
])

/** The request with every name in the spelling that Google's own clients send. */
const inOneSpelling = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inOneSpelling)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([written, inner]) => {
      const name = written.replace(spelledOut, (_, letter: string) => letter.toUpperCase())
      return [name, opaque.has(name) ? inner : inOneSpelling(inner)]
    }),
  )
}

const choices: Readonly<Record<string, string>> = { AUTO: 'auto', ANY: 'required', NONE: 'none' }

/** A chat can force one function by its name, not one of several. */
const choiceOf = ({ mode, allowedFunctionNames: names }: JsonObject): unknown => {
  const [only, ...others] = Array.isArray(names) ? names : []
  const isOne = mode === 'ANY' && typeof only === 'string' && others.length === 0
  return isOne ? { type: 'function', function: { name: only } } : choices[stringOf(mode)]
}

const reasoningOf = (config: unknown): JsonObject | undefined => {
  if (!isObject(config)) return undefined
  const { thinkingBudget, thinkingLevel } = config
  if (typeof thinkingLevel === 'string' && /^(minimal|low|medium|high)$/i.test(thinkingLevel)) {
    return { effort: thinkingLevel.toLowerCase() }
  }
  if (typeof thinkingBudget === 'number' && thinkingBudget > 0) return { max_tokens: thinkingBudget }
  return thinkingBudget === 0 ? { enabled: false } : { enabled: true }
}

const formatOf = ({ responseMimeType, responseJsonSchema, responseSchema }: JsonObject): JsonObject | undefined => {
  const schema = responseJsonSchema ?? (responseSchema && jsonSchema(responseSchema))
  if (schema) return { type: 'json_schema', json_schema: { name: 'answer', schema } }
  return responseMimeType === 'application/json' ? { type: 'json_object' } : undefined
}

const optionsOf = (request: JsonObject): JsonObject => {
  const config = isObject(request.generationConfig) ? request.generationConfig : {}
  const tools = toolsOf(request.tools)
  const calling = isObject(request.toolConfig) ? request.toolConfig.functionCallingConfig : undefined
  return given({
    temperature: config.temperature,
    top_p: config.topP,
    top_k: config.topK,
    max_tokens: config.maxOutputTokens,
    stop: config.stopSequences,
    seed: config.seed,
    presence_penalty: config.presencePenalty,
    frequency_penalty: config.frequencyPenalty,
    response_format: formatOf(config),
    reasoning: reasoningOf(config.thinkingConfig),
    tools: tools.length > 0 ? tools : undefined,
    tool_choice: tools.length > 0 && isObject(calling) ? choiceOf(calling) : undefined,
  })
}

/** Converts a Gemini request to a chat. Throws `bad_request` for a part that a chat cannot hold. */
export const chatOfGemini = (sent: JsonObject, model: string): JsonObject => {
  const read = inOneSpelling(sent)
  const request = isObject(read) ? read : {}
  const ids = makeCallIds()
  const messages = objectsOf(request.contents).flatMap(({ role, parts }) =>
    role === 'model' ? [assistantMessage(objectsOf(parts), ids)] : userMessages(objectsOf(parts), ids),
  )
  const { systemInstruction: system } = request
  const rules = isObject(system) ? objectsOf(system.parts).map(({ text }) => stringOf(text)) : []
  return {
    model,
    messages: rules.length > 0 ? [{ role: 'system', content: rules.join('\n\n') }, ...messages] : messages,
    ...optionsOf(request),
  }
}

/**
 * Converts a Gemini request to the body of a chat completion, for a provider that has Gemini's models but not its API.
 * Throws `bad_request` for a part that a chat completion cannot hold.
 */
export const chatFromGemini = (body: Buffer, model: string, isStream: boolean): Buffer => {
  const request = parsedObject(body.toString())
  if (!request) throw new AppError('bad_request', 'The body is not a JSON object')
  const streamed = isStream && { stream: true, stream_options: { include_usage: true } }
  return Buffer.from(JSON.stringify({ ...chatOfGemini(request, model), ...streamed }))
}
