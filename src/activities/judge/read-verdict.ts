import { jsonrepair } from 'jsonrepair'
import { isDeeperThan, maxJsonDepth, skipString } from '../../lib/json/json-text.ts'
import { asText } from '../../lib/text/as-text.ts'
import type { Question } from './question.ts'
import { type LabelReading, labelInText, labelOf, yesOrNo } from './read-label.ts'
import { labelled, optionsOf, type ParsedVerdict, type Value, type Verdict } from './verdict.ts'

/** A score on the scale, the words that it was read from, and a warning; or why there is none. */
type ScoreReading = { score: number; from: string; warning?: string } | { problem: string }

interface Scale {
  min: number
  max: number
}

interface FoundNumber {
  at: number
  value: number
  from: string
  /** How clearly the preceding words call it the score: 2 the overall one, 1 a score, 0 not at all. */
  rank: number
}

/** More than any answer has. Bounds the time for a text that consists of numbers. */
const mostNumbers = 1000
const wordsBefore = 40

// Not inside a word, a version or a name such as GPT-4; a decimal comma is a point, and 1,000 is a thousand.
const numbers =
  /(?<![A-Za-z\d_]|[A-Za-z\d_][-−.,])([-−]?(?:\d{1,15}(?:[.,]\d{1,9})?|\.\d{1,9}))(?![A-Za-z\d_]|[.,]\d)(?:\s{0,3}(%)|\s{0,3}(?:\/|out of|of|von|sur|de|из|av)\s{0,3}(\d{1,9}(?:\.\d{1,9})?))?/giu
// Two numbers joined as a range describe the scale, or leave the score open.
const ranges = /\d[\d.]{0,15}\s{0,2}(?:[-–—−~〜至到]|to|through|bis|till|à|a)\s{0,2}\d[\d.]{0,15}(?![A-Za-z\d])/gu
const between = /(?:between|zwischen|entre)\s{1,3}\d[\d.]{0,15}\s{1,3}(?:and|und|et|y)\s{1,3}\d[\d.]{0,15}/giu
const listMarkers = /^[ \t]{0,8}\d{1,2}[.)][ \t]/gm
const isMaximum = /\b(?:out of|max(?:imum)?(?: of)?|up to)\s{0,3}$/i
const overall = /\b(?:overall|final|total|gesamt)[^\d\n.!?;]{0,24}$/i
const named =
  /(?:\b(?:scores?|rating|rated?|grade|verdict|nota|wertung|bewertung|puntuaci[oó]n)|оценка|分数|評分|评分|得分|点数|評価|점수)[^\d\n.!?;]{0,24}$/i

const toNumber = (written: string): number =>
  Number(
    written
      .replace('−', '-')
      .replace(/,(?=\d{3}$)/, '')
      .replace(',', '.'),
  )

const blank = (text: string): string => ' '.repeat(text.length)

/** Converts digits of other scripts, and blanks out ranges. */
const prepared = (text: string): string =>
  text
    .replace(ranges, blank)
    .replace(between, blank)
    .replace(/[\uff10-\uff19\u0660-\u0669\u06f0-\u06f9]/g, (digit) => String(digit.charCodeAt(0) & 15))

const numbersIn = (text: string, max: number): { found: FoundNumber[]; otherScale: string | undefined } => {
  const found: FoundNumber[] = []
  let otherScale: string | undefined
  let seen = 0
  for (const match of text.matchAll(numbers)) {
    if (++seen > mostNumbers) break
    const [words, written = '', percent, of] = match
    const denominator = percent ? 100 : of === undefined ? max : Number(of)
    if (denominator !== max) {
      otherScale ??= words.trim()
      continue
    }
    const before = text.slice(Math.max(0, match.index - wordsBefore), match.index)
    if (isMaximum.test(before)) continue
    const line = before.slice(before.lastIndexOf('\n') + 1)
    const rank = overall.test(line) ? 2 : named.test(line) ? 1 : 0
    found.push({ at: match.index, value: toNumber(written), from: `${line}${words}`.trim(), rank })
  }
  return { found, otherScale }
}

const onScale = (value: number, from: string, { min, max }: Scale): ScoreReading => {
  if (value >= min && value <= max) return { score: value, from }
  const score = value < min ? min : max
  return { score, from, warning: `the answer says ${value}, outside of ${min} to ${max}; ${score} is taken` }
}

const noNumber = (otherScale: string | undefined, { min, max }: Scale): ScoreReading =>
  otherScale === undefined
    ? { problem: 'it has no number' }
    : { problem: `'${otherScale}' is on another scale than ${min} to ${max}` }

/** Reads the score from a value of a JSON answer: a number, or a text that begins with one. */
const scoreOf = (value: unknown, scale: Scale): ScoreReading => {
  if (typeof value === 'number' && Number.isFinite(value)) return onScale(value, String(value), scale)
  if (typeof value !== 'string') return { problem: `${JSON.stringify(value)} is not a number`.slice(0, 200) }
  const text = prepared(value.slice(0, 100)).replace(/^[\s*_"'~≈]{1,20}/, '')
  const { found, otherScale } = numbersIn(text, scale.max)
  const first = found[0]
  if (first?.at === 0) return onScale(first.value, value.slice(0, 100), scale)
  return otherScale ? noNumber(otherScale, scale) : { problem: `'${value.slice(0, 100)}' is not a number` }
}

/**
 * Reads the score from prose. A number that is called the score goes before others; of those the first in range counts.
 * A score out of range moves to the nearest end.
 */
const scoreInText = (text: string, scale: Scale): ScoreReading => {
  const isList = /^[ \t]{0,8}1[.)][ \t]/m.test(text) && /^[ \t]{0,8}2[.)][ \t]/m.test(text)
  const digits = prepared(text)
  const { found, otherScale } = numbersIn(isList ? digits.replace(listMarkers, blank) : digits, scale.max)
  const rank = found.reduce((highest, number) => Math.max(highest, number.rank), 0)
  const candidates = found.filter((number) => number.rank === rank)
  const chosen = candidates.find(({ value }) => value >= scale.min && value <= scale.max) ?? candidates[0]
  return chosen ? onScale(chosen.value, chosen.from, scale) : noNumber(otherScale, scale)
}

/** A JSON object found in a text, within prose or a fence. */
interface FoundObject {
  /** Its position: `text.slice(start, end)`. */
  start: number
  end: number
  /** Undefined when it looks like JSON but cannot be parsed even after repair. */
  value: Record<string, unknown> | undefined
  repaired: boolean
}

/** Enough for any real answer; keeps the time linear for a text that consists of braces. */
const mostTries = 32
const mostRepairedCharacters = 16 * 1024

/** Index after the brace that closes the one at `start`, or undefined. */
const closedAt = (text: string, start: number): number | undefined => {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 34) at = skipString(text, at) - 1
    else if (code === 123) depth++
    else if (code === 125 && --depth === 0) return at + 1
  }
  return undefined
}

const asObject = (text: string): Record<string, unknown> | undefined => {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}

const attempt = (read: () => Record<string, unknown> | undefined): Record<string, unknown> | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** A number cut off after a digit may have been longer. */
const endsInNumber = /\d[.\d]{0,20}$/

/** Finds the outermost objects of a text in order, parsed strictly or else repaired. */
export const objectsIn = (text: string): FoundObject[] => {
  const found: FoundObject[] = []
  let repairable = mostRepairedCharacters
  let start = text.indexOf('{')
  for (let tries = 0; start >= 0 && tries < mostTries; tries++) {
    const closed = closedAt(text, start)
    if (closed === undefined) tries += 3 // the whole text was scanned
    const end = closed ?? text.length
    const piece = text.slice(start, end)
    const short = piece.length <= repairable
    const deep = (closed !== undefined || short) && isDeeperThan(piece, maxJsonDepth)
    const strict = deep || closed === undefined ? undefined : attempt(() => asObject(piece))
    let value = strict
    const cut = closed === undefined && endsInNumber.test(piece.slice(-30).trimEnd())
    if (!strict && !deep && !cut && short) {
      repairable -= piece.length
      value = attempt(() => asObject(jsonrepair(piece)))
    }
    const looksLikeJson = /^\{\s{0,9}["']/.test(piece)
    if (value || looksLikeJson) found.push({ start, end, value, repaired: !strict })
    // Neither parsed nor JSON-like: it may have begun with a stray brace, so continue after that.
    start = text.indexOf('{', value || looksLikeJson ? end : (closed ?? start + 1))
  }
  return found
}

type Members = Record<string, unknown>

const scoreNames = [
  'score',
  'overall_score',
  'final_score',
  'total_score',
  'overall',
  'rating',
  'grade',
  'points',
  'stars',
  'value',
]
const labelNames = ['label', 'category', 'verdict', 'judgment', 'judgement', 'answer', 'classification']
const otherLabelNames = ['choice', 'winner', 'result', 'passed', 'pass']
const explanationNames = ['explanation', 'reasoning', 'reason', 'rationale', 'justification', 'comment', 'feedback']

const namesFor = (question: Question): string[] =>
  question.type === 'scale' ? scoreNames : [...labelNames, ...otherLabelNames, ...scoreNames]

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const plainName = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_')

/** Members with one of the names, in the order of the names; null counts as a member without a value. */
const allNamed = (members: Members, names: string[]): [string, unknown][] => {
  const byName = new Map(
    Object.entries(members)
      .filter(([name]) => name.length <= 200)
      .map(([name, value]) => [plainName(name), [name, value] as [string, unknown]]),
  )
  return names.map((name) => byName.get(plainName(name))).filter((member) => member !== undefined)
}

const membersNamed = (members: Members, names: string[]): [string, unknown][] =>
  allNamed(members, names).filter(([, value]) => value !== null)

/** Whether an object contains a verdict, even an unreadable one. */
const speaksOfVerdict = ({ value }: FoundObject, question: Question): boolean =>
  value === undefined || allNamed(value, namesFor(question)).length > 0

const decisionOf = (value: unknown, question: Question): Value | { problem: string } => {
  if (question.type === 'scale') {
    const reading = scoreOf(value, question)
    return 'problem' in reading ? reading : { ...reading, label: null }
  }
  const reading = labelOf(value, optionsOf(question))
  return 'problem' in reading ? reading : labelled(reading.label, question, reading.from)
}

/** Reads the verdict from an object's members; of several names the first readable one. */
const verdictAmong = (members: Members, question: Question): Value | { problem: string } => {
  let problem: string | undefined
  for (const [name, value] of membersNamed(members, namesFor(question))) {
    const reading = decisionOf(value, question)
    if (!('problem' in reading)) return { ...reading, from: name }
    problem ??= `${name}: ${reading.problem}`
  }
  return { problem: problem ?? `its JSON has no '${question.type === 'scale' ? 'score' : 'label'}'` }
}

type Dimensions = { values: Record<string, number | string>; scores: number[]; warnings: string[] }

const dimensionsAmong = (members: Members, names: string[], question: Question): Dimensions | { problem: string } => {
  const groups = membersNamed(members, ['dimensions', 'dimension_scores', 'scores']).map(([, value]) => value)
  const group = groups.find(isMembers) ?? members
  const read: Dimensions = { values: {}, scores: [], warnings: [] }
  for (const name of names) {
    const member = membersNamed(group, [name])[0]
    if (!member) return { problem: `it says nothing of '${name}'` }
    const reading = isMembers(member[1]) ? verdictAmong(member[1], question) : decisionOf(member[1], question)
    if ('problem' in reading) return { problem: `${name}: ${reading.problem}` }
    const value = question.type === 'scale' ? reading.score : reading.label
    Object.defineProperty(read.values, name, { value, enumerable: true })
    if (reading.score !== null) read.scores.push(reading.score)
    if (reading.warning) read.warnings.push(`${name}: ${reading.warning}`)
  }
  return read
}

/** Unwraps an object that contains nothing but another one. */
const unwrapped = (members: Members): Members => {
  const values = Object.values(members)
  return values.length === 1 && isMembers(values[0]) ? values[0] : members
}

const mean = (numbers: number[]): number =>
  Number((numbers.reduce((sum, number) => sum + number, 0) / numbers.length).toFixed(4))

const explanationAmong = (members: Members): string | null => {
  const member = membersNamed(members, explanationNames)[0]
  const text = member ? asText(member[1]).trim() : ''
  return text === '' ? null : text
}

/** Reads the verdict of an object in a JSON answer, and those of its dimensions. */
const verdictInObject = ({ value, repaired }: FoundObject, question: Question, dimensions: string[]): ParsedVerdict => {
  if (!value) return { problem: 'its JSON cannot be read, and not be repaired either' }
  const isOwn = membersNamed(value, [...namesFor(question), 'dimensions']).length > 0
  const members = isOwn ? value : unwrapped(value)
  const read = dimensions.length > 0 ? dimensionsAmong(members, dimensions, question) : undefined
  if (read && 'problem' in read) return read
  const isMean = read && question.type === 'scale' && membersNamed(members, scoreNames).length === 0
  const overall: Value | { problem: string } = isMean
    ? { score: mean(read.scores), label: null, from: 'the mean of dimensions' }
    : verdictAmong(members, question)
  if ('problem' in overall) return overall
  const { score, label, from, warning } = overall
  return {
    verdict: {
      score,
      label,
      explanation: explanationAmong(members),
      dimensions: read?.values ?? null,
      read_as: repaired ? 'repaired_json' : 'json',
      read_from: from,
      warnings: [...(warning ? [warning] : []), ...(read?.warnings ?? [])],
    },
  }
}

/** Removes JSON objects from a text: their content is no prose. */
const without = (text: string, objects: FoundObject[]): string => {
  let rest = ''
  let from = 0
  for (const { start, end } of objects) {
    rest += `${text.slice(from, start)} `
    from = end
  }
  return rest + text.slice(from)
}

/** Minimum characters beside the verdict that count as an explanation. */
const proseFrom = 12
const endOfThought = '</think>'

/** Reads numeric labels from prose as scores are written, such as "4 out of 5". */
const numberedLabelIn = (text: string, categories: string[]): LabelReading => {
  const numbers = categories.map(Number)
  const reading = scoreInText(text, { min: Math.min(...numbers), max: Math.max(...numbers) })
  if ('problem' in reading) return reading
  const label = reading.warning ? undefined : categories.find((category) => Number(category) === reading.score)
  return label === undefined ? { problem: `'${reading.from}' is no label` } : { label, from: reading.from }
}

const labelIn = (text: string, question: Exclude<Question, { type: 'scale' }>): LabelReading => {
  if (question.type === 'binary') return labelInText(text, yesOrNo, true)
  const areNumbers = question.categories.every((category) => /^-?\d+$/.test(category))
  return areNumbers ? numberedLabelIn(text, question.categories) : labelInText(text, optionsOf(question), false)
}

const verdictInProse = (text: string, question: Question): ParsedVerdict => {
  const reading = question.type === 'scale' ? scoreInText(text, question) : labelIn(text, question)
  if ('problem' in reading) return reading
  const value = 'label' in reading ? labelled(reading.label, question, reading.from) : { ...reading, label: null }
  const trimmed = text.trim()
  return {
    verdict: {
      score: value.score,
      label: value.label,
      explanation: trimmed.length - value.from.length > proseFrom ? trimmed : null,
      dimensions: null,
      read_as: 'text',
      read_from: value.from,
      warnings: value.warning ? [value.warning] : [],
    },
  }
}

const sameVerdict = (left: Verdict, right: Verdict): boolean => left.score === right.score && left.label === right.label

/** Removes a model's thinking from its answer. */
const answerOf = (raw: string): string => {
  const at = raw.lastIndexOf(endOfThought)
  return at < 0 ? raw : raw.slice(at + endOfThought.length)
}

/**
 * Reads a verdict from a model's answer: from the first JSON object that has one, else from the prose; or says why
 * there is none. Never throws; linear in the text.
 */
export const readVerdict = (raw: string, question: Question, dimensions: string[] = []): ParsedVerdict => {
  const text = answerOf(raw)
  if (text.trim() === '') return { problem: 'it is empty' }
  const objects = objectsIn(text)
  const readings = objects.map((object) => verdictInObject(object, question, dimensions))
  const verdicts = readings.flatMap((reading) => ('verdict' in reading ? [reading.verdict] : []))
  const [first, ...others] = verdicts
  if (first) {
    if (others.some((other) => !sameVerdict(first, other))) {
      first.warnings.push('the answer has several contradictory JSON objects; the first one is used')
    }
    return { verdict: first }
  }
  const problem = readings.flatMap((reading) => ('problem' in reading ? [reading.problem] : []))[0]
  if (dimensions.length > 0) return { problem: problem ?? 'it has no JSON object with the dimensions' }
  // When the JSON has an unreadable score, a number beside it is not the score.
  if (problem && objects.some((object) => speaksOfVerdict(object, question))) return { problem }
  const prose = verdictInProse(without(text, objects), question)
  return 'problem' in prose && problem ? { problem } : prose
}
