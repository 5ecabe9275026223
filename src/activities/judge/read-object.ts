import { asText } from '../../lib/text/as-text.ts'
import type { FoundObject } from './json-objects.ts'
import type { Question } from './question.ts'
import { labelOf } from './read-label.ts'
import { scoreOf } from './read-score.ts'
import { labelled, optionsOf, type ParsedVerdict, type Value } from './verdict.ts'

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
export const speaksOfVerdict = ({ value }: FoundObject, question: Question): boolean =>
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
export const verdictInObject = (
  { value, repaired }: FoundObject,
  question: Question,
  dimensions: string[],
): ParsedVerdict => {
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
