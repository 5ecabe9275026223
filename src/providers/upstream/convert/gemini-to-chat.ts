import { AppError } from '../../../lib/errors.ts'
import { isObject, type JsonObject, parsedObject } from '../../../lib/json/json-object.ts'
import { objectsOf, stringOf } from '../../../lib/json/json-values.ts'
import { detailsIn } from './reasoning-signature.ts'

const given = (members: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null))

const noPlace = (what: string): AppError =>
  new AppError('bad_request', `${what} cannot be sent to OpenRouter, which is called with chat completions`)

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

const choices: Readonly<Record<string, string>> = { AUTO: 'auto', ANY: 'required', NONE: 'none' }

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
    tool_choice: tools.length > 0 && isObject(calling) ? choices[stringOf(calling.mode)] : undefined,
  })
}

/**
 * Converts a Gemini request to a chat completion, for a provider that has Gemini's models but not its API. Throws
 * `bad_request` for a part that a chat completion cannot hold.
 */
export const chatFromGemini = (body: Buffer, model: string, isStream: boolean): Buffer => {
  const request = parsedObject(body.toString())
  if (!request) throw new AppError('bad_request', 'The body is not a JSON object')
  const ids = makeCallIds()
  const messages = objectsOf(request.contents).flatMap(({ role, parts }) =>
    role === 'model' ? [assistantMessage(objectsOf(parts), ids)] : userMessages(objectsOf(parts), ids),
  )
  const { systemInstruction: system } = request
  const rules = isObject(system) ? objectsOf(system.parts).map(({ text }) => stringOf(text)) : []
  return Buffer.from(
    JSON.stringify({
      model,
      messages: rules.length > 0 ? [{ role: 'system', content: rules.join('\n\n') }, ...messages] : messages,
      ...optionsOf(request),
      ...(isStream && { stream: true, stream_options: { include_usage: true } }),
    }),
  )
}
