import { isObject, type JsonObject, parsedObject } from '../../../lib/json/json-object.ts'
import { objectsOf, stringOf } from '../../../lib/json/json-values.ts'
import { failureIn } from '../formats/format.ts'
import { usageIn } from '../usage/usage.ts'
import { mergeDelta } from './merge-delta.ts'
import { signatureOf } from './reasoning-signature.ts'

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

/** Converts a whole chat completion; anything else becomes an error of Gemini's. */
export const geminiFromChat = (text: string): Buffer => {
  const completion = parsedObject(text)
  if (!completion || completion.error) {
    return Buffer.from(JSON.stringify(errorOf(completion?.error ?? 'The answer is not a JSON object')))
  }
  const answer = makeAnswer()
  return Buffer.from(JSON.stringify(answer.end(answer.take(completion)) ?? errorOf('The answer has no end')))
}
