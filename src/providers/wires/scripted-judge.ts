import { isObject } from '../../lib/json/json-object.ts'
import type { ChatRequest } from '../../model/gateway/chat.ts'
import { messageText, schemaOf } from './scripted-texts.ts'

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
