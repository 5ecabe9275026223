import { type FoundObject, objectsIn } from './json-objects.ts'
import type { Question } from './question.ts'
import { type LabelReading, labelInText, yesOrNo } from './read-label.ts'
import { speaksOfVerdict, verdictInObject } from './read-object.ts'
import { scoreInText } from './read-score.ts'
import { labelled, optionsOf, type ParsedVerdict, type Verdict } from './verdict.ts'

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
