import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { ChatChunk, ChatCompletion, ChatMessage, ChatRequest } from '../../model/gateway/chat.ts'
import type { Wire, WireCall, WireProtocol } from '../provider.ts'
import { chunksOf } from '../upstream/convert/completion-to-chunks.ts'

/** The text of a message; a part that is not text is shown as its type. */
const messageText = ({ content }: ChatMessage): string => {
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => (typeof part.text === 'string' ? part.text : `[${part.type}]`)).join('\n')
}

/** The JSON Schema that the answer must fit, if one is requested. */
const schemaOf = (request: ChatRequest): Record<string, unknown> | undefined => {
  const named = request.response_format?.json_schema
  const schema = isObject(named) ? named.schema : undefined
  return isObject(schema) ? schema : undefined
}

/** The verdict when no rule of the instruction applies. */
type Leaning = 'best' | 'worst'

/** A verdict before it is known in which form it is asked for: an end of the scale, or a score or label by name. */
interface Ruling {
  verdict: string
  why: string
}

/** A line of the instruction: `scripted: 2 if "sorry"`, `scripted: worst unless "thanks"`, `scripted: good`. */
// Bounded, as all that follows takes time in proportion to the text: prompts have megabytes.
const rulePattern =
  /^[ \t>*-]{0,20}scripted:[ \t]{0,9}(.{1,200}?)(?:[ \t]{1,9}(if|unless)[ \t]{1,9}"([^"\n]{1,500})")?[ \t]{0,9}$/gim

const plain = (text: string): string => text.trim().replace(/\s+/g, ' ').toLowerCase()

/** Separates the judged items, between the marks of `simple_judge`, from the rest. Rules in items do not count. */
const withoutItems = (text: string): { asked: string; items: string[] } => {
  const mark = /<<<(ITEM(?:-\d+)?)\n/g
  const items: string[] = []
  let asked = ''
  let from = 0
  for (let open = mark.exec(text); open; open = mark.exec(text)) {
    const begin = open.index + open[0].length
    const end = text.indexOf(`\n${open[1]}>>>`, begin - 1)
    if (end < 0) break
    asked += text.slice(from, open.index)
    items.push(text.slice(begin, end))
    from = end + `\n${open[1]}>>>`.length
    mark.lastIndex = from
  }
  return { asked: asked + text.slice(from), items }
}

/** Reads a run as evaluations show it: its input, the expected output, and the output. */
const runIn = (item: string): { expected: string | undefined; output: string } | undefined => {
  if (!/^(Input|Expected|Output):\n/.test(item)) return undefined
  const text = `\n\n${item}`
  const [expectedMark, outputMark] = ['\n\nExpected:\n', '\n\nOutput:\n']
  const expected = text.indexOf(expectedMark)
  const output = text.indexOf(outputMark, Math.max(expected, 0))
  if (output < 0) return undefined
  return {
    expected: expected < 0 ? undefined : text.slice(expected + expectedMark.length, output),
    output: text.slice(output + outputMark.length),
  }
}

const readAsked = (request: ChatRequest): { asked: string; items: string[] } => {
  const texts = request.messages.filter(({ role }) => role !== 'assistant').map(messageText)
  const { asked, items } = withoutItems(texts.join('\n'))
  // Prompts of other makers set no marks: what the user says is the material, without its rules.
  return { asked, items: items.length > 0 ? items : [asked.replace(rulePattern, '')] }
}

const rule = (asked: string, items: readonly string[], leaning: Leaning): Ruling => {
  const runs = items.map(runIn)
  const outputs = plain(items.map((item, at) => runs[at]?.output ?? item).join('\n'))
  for (const [line, verdict = '', word, text = ''] of asked.matchAll(rulePattern)) {
    const applies = word === undefined || outputs.includes(plain(text)) === (word.toLowerCase() === 'if')
    if (applies) return { verdict: verdict.trim(), why: `the rule "${line.trim()}" applies` }
  }
  const expected = runs.length === 1 ? runs[0]?.expected : undefined
  if (expected !== undefined && leaning === 'best') {
    const isThere = outputs.includes(plain(expected))
    return {
      verdict: isThere ? 'best' : 'worst',
      why: `the output ${isThere ? 'has' : 'does not have'} the text that was expected`,
    }
  }
  return { verdict: leaning, why: `no rule applies, and it then gives the ${leaning}` }
}

type Value = string | number | boolean

/** A verdict as one of the values that may be chosen, the best first. */
const amongOf = (values: readonly Value[], { verdict }: Ruling): Value => {
  if (verdict === 'best') return values[0] ?? verdict
  if (verdict === 'worst') return values.at(-1) ?? verdict
  return values.find((value) => plain(String(value)) === plain(verdict)) ?? verdict
}

const onScale = (min: number, max: number, { verdict }: Ruling): Value => {
  if (verdict === 'best') return max
  if (verdict === 'worst') return min
  const score = Number(verdict)
  return Number.isNaN(score) ? verdict : score
}

/** The text from the last occurrence of these words; earlier ones may be in an item. */
const fromLast = (text: string, words: string): string => {
  const at = text.lastIndexOf(words)
  return at < 0 ? '' : text.slice(at)
}

/** The verdict in the form that `simple_judge` asks for: a number, one of the labels, or yes and no. */
const inAskedForm = (asked: string, ruling: Ruling): { member: string; value: Value } | undefined => {
  const scale = /^<number from (-?[\d.]+) to (-?[\d.]+)>/.exec(fromLast(asked, '<number from '))
  if (scale) return { member: 'score', value: onScale(Number(scale[1]), Number(scale[2]), ruling) }
  if (asked.includes('"<yes or no>"')) return { member: 'label', value: amongOf(['yes', 'no'], ruling) }
  const labels = /^\w[\w ]+: (.*)\.$/m.exec(fromLast(asked, 'Choose exactly one of these labels: '))?.[1]
  if (labels === undefined || !asked.includes('"<one of the labels>"')) return undefined
  return { member: 'label', value: amongOf(stringsIn(labels), ruling) }
}

const stringsIn = (text: string): string[] => (text.match(/"(?:[^"\\]|\\.)*"/g) ?? []).map((one) => JSON.parse(one))

const dimensionsIn = (asked: string): string[] => {
  const format = fromLast(asked, '"dimensions": {').slice('"dimensions": '.length)
  const listed = /^\{((?:"(?:[^"\\]|\\.)*": (?:<[^<>]*>|"<[^<>]*>")(?:, )?)+)\}/.exec(format)?.[1] ?? ''
  return stringsIn(listed.replace(/"<[^<>]*>"/g, ''))
}

/** The same verdict for each member of a JSON Schema: the ends of its numbers, of its lists of values, true or false. */
const inSchema = (schema: unknown, ruling: Ruling, why: string, depth = 0): unknown => {
  if (!isObject(schema) || depth > 20) return why
  const within = (part: unknown) => inSchema(part, ruling, why, depth + 1)
  if (schema.const !== undefined) return schema.const
  if (Array.isArray(schema.enum)) return amongOf(schema.enum, ruling)
  const branch = [schema.anyOf, schema.oneOf, schema.allOf].find(Array.isArray)
  if (branch) return within(branch[0])
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
  const end = (value: unknown, other: number) => (typeof value === 'number' ? value : other)
  if (type === 'number' || type === 'integer') return onScale(end(schema.minimum, 1), end(schema.maximum, 5), ruling)
  if (type === 'boolean') return ['best', 'yes', 'true', 'pass'].includes(ruling.verdict)
  if (type === 'null') return null
  if (type === 'array') return [within(schema.items)]
  if (type !== 'object' && !isObject(schema.properties)) return why
  const properties = isObject(schema.properties) ? schema.properties : {}
  return Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, within(part)]))
}

/**
 * The answer of a judge that is no model: the same for the same request, as JSON in the form that is asked for. Rules in
 * the instruction decide; without one, whether the output of a run has the text that was expected; else its leaning.
 */
export const judgeScripted = (request: ChatRequest, leaning: Leaning): string => {
  const { asked, items } = readAsked(request)
  const ruling = rule(asked, items, leaning)
  const why = `scripted, no real model: ${ruling.why}`
  const schema = schemaOf(request)
  if (schema !== undefined) return JSON.stringify(inSchema(schema, ruling, why))
  const form = inAskedForm(asked, ruling)
  if (!form) {
    return JSON.stringify({ explanation: why, score: onScale(1, 5, ruling), label: amongOf(['yes', 'no'], ruling) })
  }
  const dimensions = dimensionsIn(asked)
  return JSON.stringify({
    explanation: why,
    ...(dimensions.length > 0 && { dimensions: Object.fromEntries(dimensions.map((name) => [name, form.value])) }),
    [form.member]: form.value,
  })
}

/** The models of the built-in provider. None is a real model, and each says so. */
export const scriptedModels = ['echo', 'json', 'tools', 'judge', 'judge-low'] as const

export type ScriptedModel = (typeof scriptedModels)[number]

export const isScripted = (name: string): name is ScriptedModel => (scriptedModels as readonly string[]).includes(name)

const lastFromUser = (request: ChatRequest): string => {
  const message = request.messages.findLast(({ role }) => role === 'user') ?? request.messages.at(-1)
  return message ? messageText(message) : ''
}

/** The simplest value that fits a JSON Schema: the first option, the minimum, and `text` for strings. */
const valueFor = (schema: unknown, text: string, depth = 0): unknown => {
  if (!isObject(schema) || depth > 20) return text
  if (schema.const !== undefined) return schema.const
  if (Array.isArray(schema.enum)) return schema.enum[0]
  const branch = [schema.anyOf, schema.oneOf, schema.allOf].find(Array.isArray)
  if (branch) return valueFor(branch[0], text, depth + 1)
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
  if (type === 'number' || type === 'integer') return typeof schema.minimum === 'number' ? schema.minimum : 0
  if (type === 'boolean') return true
  if (type === 'null') return null
  if (type === 'array') {
    const items = Math.min(typeof schema.minItems === 'number' ? schema.minItems : 1, 100)
    return Array.from({ length: items }, () => valueFor(schema.items, text, depth + 1))
  }
  if (type === 'object' || isObject(schema.properties)) {
    const properties = isObject(schema.properties) ? schema.properties : {}
    return Object.fromEntries(Object.entries(properties).map(([key, of]) => [key, valueFor(of, text, depth + 1)]))
  }
  return text
}

const objectFor = (request: ChatRequest): unknown => {
  const text = lastFromUser(request)
  const schema = schemaOf(request)
  return schema ? valueFor(schema, text) : { text }
}

/** Results of the tool calls since the last message of the user, a line each. */
const toolResults = ({ messages }: ChatRequest): string[] =>
  messages
    .slice(messages.findLastIndex(({ role }) => role === 'user') + 1)
    .filter(({ role }) => role === 'tool')
    .map(messageText)

/** One call of each offered tool, with the simplest arguments that fit; none once there are results. */
const toolCalls = (request: ChatRequest): unknown[] => {
  const { tools, tool_choice: choice } = request
  if (!Array.isArray(tools) || choice === 'none' || toolResults(request).length > 0) return []
  return tools.flatMap((tool, at) => {
    const offered = isObject(tool) && isObject(tool.function) ? tool.function : {}
    if (typeof offered.name !== 'string') return []
    const given = requiredOnly(offered.parameters, lastFromUser(request))
    return [{ id: `call_${at}`, type: 'function', function: { name: offered.name, arguments: JSON.stringify(given) } }]
  })
}

/** The simplest object that fits: with the members that it must have. */
const requiredOnly = (schema: unknown, text: string): unknown => {
  const { properties, required } = isObject(schema) ? schema : {}
  const needed = Array.isArray(required) ? required.map(String) : []
  const entries = needed.map((name) => [name, valueFor(isObject(properties) ? properties[name] : undefined, text)])
  return Object.fromEntries(entries)
}

const words = (text: string): number => text.match(/\S+/g)?.length ?? 0

const saidBy: Readonly<Record<ScriptedModel, (request: ChatRequest) => string>> = {
  echo: lastFromUser,
  json: (request) => JSON.stringify(objectFor(request)),
  tools: (request) => toolResults(request).join('\n') || lastFromUser(request),
  judge: (request) => judgeScripted(request, 'best'),
  'judge-low': (request) => judgeScripted(request, 'worst'),
}

/** Answers as a scripted model: the same for the same request, with words as tokens. */
const answerScripted = (model: ScriptedModel, request: ChatRequest): ChatCompletion => {
  const calls = model === 'tools' ? toolCalls(request) : []
  const text = calls.length > 0 ? '' : saidBy[model](request)
  const prompt = request.messages.reduce((sum, message) => sum + words(messageText(message)), 0)
  const completion = words(text)
  return {
    id: 'chatcmpl-scripted',
    object: 'chat.completion',
    created: 0,
    model: `scripted/${model}`,
    system_fingerprint: 'scripted: no real model',
    choices: [
      calls.length > 0
        ? { index: 0, message: { role: 'assistant', content: null, tool_calls: calls }, finish_reason: 'tool_calls' }
        : { index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
  }
}

/** Splits a text into words with the white space before them; trailing space stays with the last word. */
const wordByWord = (text: string): string[] => text.split(/(?<=\S)(?=\s+\S)/)

const streamed = async function* (answer: ChatCompletion): AsyncGenerator<ChatChunk> {
  yield* chunksOf(answer, wordByWord)
}

const modelOf = ({ model }: WireCall): ScriptedModel => (isScripted(model) ? model : 'echo')

const nothingElse = async (): Promise<never> => {
  throw new AppError('model_unavailable', 'Scripted models answer only chats: they make no embeddings and no images', {
    hint: 'Set the key of a provider in the environment of the collection, and name one of its models.',
  })
}

const protocol: WireProtocol = {
  complete: async (request, call) => ({ completion: answerScripted(modelOf(call), request), warnings: [] }),
  stream: async (request, call) => ({
    chunks: streamed(answerScripted(modelOf(call), request)),
    warnings: [],
  }),
  embed: nothingElse,
  draw: nothingElse,
}

/** Built-in models that answer by a fixed rule, called like any other. */
export const scriptedWire: Wire = { shapes: ['chat', 'messages'], load: async () => protocol, isBuiltIn: true }
