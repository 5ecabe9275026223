import { makeFrameCutter } from '../../gateway/relay/frames.ts'
import { failureIn } from '../../gateway/relay/meaning.ts'
import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { usageIn } from '../../providers/prices/usage.ts'
import { makeReasoning } from './carried-reasoning.ts'

/** Says an answer again in another language, as it comes. */
export interface Translation {
  push(chunk: Buffer): Buffer
  /** What is left to be said when all of it has come. */
  rest(): Buffer
}

const nothing: Buffer = Buffer.alloc(0)
/** An event of more is left out; a whole answer of more cannot be said again. */
const eventBytes = 4 * 1024 * 1024
const wholeBytes = 16 * 1024 * 1024

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
const counted = (usage: JsonObject): JsonObject => {
  const { prompt_tokens = 0, completion_tokens = 0, cached_tokens, reasoning_tokens = 0 } = usageIn(usage) ?? {}
  return {
    promptTokenCount: prompt_tokens,
    candidatesTokenCount: Math.max(0, completion_tokens - reasoning_tokens),
    totalTokenCount: prompt_tokens + completion_tokens,
    ...(reasoning_tokens > 0 && { thoughtsTokenCount: reasoning_tokens }),
    ...(cached_tokens !== undefined && { cachedContentTokenCount: cached_tokens }),
  }
}

/** What the answer has said so far that can only be told at its end. */
const makeAnswer = () => {
  const reasoning = makeReasoning()
  const calls = new Map<number, { id: string; name: string; text: string }>()
  let finish: string | undefined
  let usage: JsonObject | undefined
  let about: JsonObject = {}

  const addCalls = (deltas: unknown): void => {
    for (const [at, delta] of (Array.isArray(deltas) ? deltas : []).entries()) {
      if (!isObject(delta)) continue
      const index = typeof delta.index === 'number' ? delta.index : at
      const { name, arguments: text } = isObject(delta.function) ? delta.function : {}
      const call = calls.get(index) ?? { id: '', name: '', text: '' }
      calls.set(index, {
        id: call.id || String(delta.id ?? ''),
        name: call.name || String(name ?? ''),
        text: call.text + String(text ?? ''),
      })
    }
  }
  const response = (parts: JsonObject[], more: JsonObject = {}): JsonObject => ({
    candidates: [{ index: 0, content: { role: 'model', parts }, ...more }],
    ...about,
  })

  return {
    /** Takes a chunk, or a whole answer; gives the words in it. */
    take(chunk: JsonObject): JsonObject[] {
      about = { modelVersion: chunk.model ?? about.modelVersion, responseId: chunk.id ?? about.responseId }
      if (isObject(chunk.usage)) usage = chunk.usage
      const choice: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined
      if (!isObject(choice)) return []
      if (typeof choice.finish_reason === 'string') finish = choice.finish_reason
      const said = choice.delta ?? choice.message
      if (!isObject(said)) return []
      reasoning.add(said.reasoning_details)
      addCalls(said.tool_calls)
      const thought = said.reasoning ?? said.reasoning_content
      return [
        ...(typeof thought === 'string' && thought !== '' ? [{ text: thought, thought: true }] : []),
        ...(typeof said.content === 'string' && said.content !== '' ? [{ text: said.content }] : []),
      ]
    },
    response,
    /** The end of it; undefined where the model has not said that it has ended. */
    end(parts: JsonObject[]): JsonObject | undefined {
      if (finish === undefined) return undefined
      const read = [...calls.values()].map(({ id, name, text }) => ({ id, name, args: parsedObject(text || '{}') }))
      const isWritten = read.every(({ args }) => args !== undefined)
      const asked: JsonObject[] = isWritten ? read.map((functionCall) => ({ functionCall })) : []
      const signature = reasoning.signature()
      const last = [...parts, ...asked]
      // It stands with the first call, or with the last words.
      const bearer = asked[0] ?? last.at(-1)
      if (signature !== undefined) {
        if (bearer) bearer.thoughtSignature = signature
        else last.push({ text: '', thoughtSignature: signature })
      }
      const finishReason = isWritten ? (finishReasons[finish] ?? 'OTHER') : 'MALFORMED_FUNCTION_CALL'
      return { ...response(last, { finishReason }), ...(usage && { usageMetadata: counted(usage) }) }
    },
  }
}

const event = (value: JsonObject): string => `data: ${JSON.stringify(value)}\n\n`

const ofEvents = (): Translation => {
  const cutter = makeFrameCutter(eventBytes)
  const answer = makeAnswer()
  let isOver = false
  return {
    push(chunk) {
      let said = ''
      for (const { data } of cutter.push(chunk)) {
        const read = data === undefined || isOver ? undefined : parsedObject(data)
        if (!read) continue
        if (read.error) {
          isOver = true
          said += event(errorOf(read.error))
          continue
        }
        const parts = answer.take(read)
        if (parts.length > 0) said += event(answer.response(parts))
      }
      return Buffer.from(said)
    },
    rest() {
      const end = isOver ? undefined : answer.end([])
      return end ? Buffer.from(event(end)) : nothing
    },
  }
}

const ofWhole = (): Translation => {
  const chunks: Buffer[] = []
  let bytes = 0
  return {
    push(chunk) {
      bytes += chunk.length
      if (bytes <= wholeBytes) chunks.push(chunk)
      return nothing
    },
    rest() {
      const whole = bytes <= wholeBytes ? parsedObject(Buffer.concat(chunks).toString()) : undefined
      if (!whole || whole.error) return Buffer.from(JSON.stringify(errorOf(whole?.error ?? 'the answer is no JSON')))
      const answer = makeAnswer()
      return Buffer.from(JSON.stringify(answer.end(answer.take(whole)) ?? errorOf('the answer has no end')))
    },
  }
}

/** A chat completion said as Gemini's answer. What breaks off is broken off: nobody is told that it has ended. */
export const geminiFromChat = (contentType: string | undefined): Translation =>
  contentType?.toLowerCase().startsWith('text/event-stream') ? ofEvents() : ofWhole()
