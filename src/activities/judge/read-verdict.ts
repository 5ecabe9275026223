import { asText } from '../../lib/text/as-text.ts'
import { type FoundObject, objectsIn } from './json-objects.ts'
import type { Question } from './question.ts'
import { type LabelReading, labelInText, labelOf, yesOrNo } from './read-label.ts'
import { scoreInText, scoreOf } from './read-score.ts'
import { labelled, optionsOf, type ParsedVerdict, type Value, type Verdict } from './verdict.ts'

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
