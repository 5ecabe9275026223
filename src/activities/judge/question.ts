import { AppError } from '../../lib/errors.ts'

/** The requested kind of verdict. */
export type Question =
  | { type: 'scale'; min: number; max: number }
  | { type: 'categorical'; categories: string[] }
  | { type: 'binary' }

type Range = [number, number] | { min: number; max: number }

interface Asked {
  judge_type?: Question['type'] | undefined
  scale_range?: Range | undefined
  score_range?: Range | undefined
  categories?: (string | number)[] | undefined
}

const defaultRange: Range = [1, 5]
const mostLabels = 200

const invalid = (message: string, hint: string): AppError =>
  new AppError('parameter_invalid', `simple_judge: ${message}`, { hint })

const endsOf = (name: string, range: Range): { min: number; max: number } => {
  const [min, max] = Array.isArray(range) ? range : [range.min, range.max]
  if (min >= max)
    throw invalid(
      `${name} goes from ${min} to ${max}, but the lowest value must come first`,
      'Write the lowest value first, such as [1, 5].',
    )
  return { min, max }
}

/** Whole numbers of a range as labels: the meaning of `score_range` for a categorical verdict. */
const integersOf = ({ min, max }: { min: number; max: number }): string[] => {
  const first = Math.ceil(min)
  const count = Math.floor(max) - first + 1
  if (count < 1 || count > mostLabels) {
    throw invalid(
      `score_range has ${Math.max(count, 0)} labels; 1 to ${mostLabels} are allowed`,
      'Set categories instead.',
    )
  }
  return Array.from({ length: count }, (_, at) => String(first + at))
}

/** Builds the question from the parameters; throws `parameter_invalid` when they ask none. */
export const questionOf = ({ judge_type, scale_range, score_range, categories }: Asked): Question => {
  const type = judge_type ?? (categories ? 'categorical' : 'scale')
  if (type === 'binary') return { type }
  if (type === 'scale') {
    const range = scale_range ? endsOf('scale_range', scale_range) : endsOf('score_range', score_range ?? defaultRange)
    return { type, ...range }
  }
  if (categories) return { type, categories: [...new Set(categories.map(String))] }
  if (score_range) return { type, categories: integersOf(endsOf('score_range', score_range)) }
  throw invalid("judge_type 'categorical' needs categories", 'Set them, for example "categories": ["good", "poor"].')
}

/** Labels that only make sense for a comparison. */
const evens = new Set(['tie', 'tied', 'draw'])
const places = new Set(['first', 'second', 'third', 'fourth', 'fifth'])
const contests = new Set(['better', 'best', 'win', 'wins', 'winner', 'preferred'])
const nouns = new Set(['item', 'response', 'answer', 'option', 'candidate', 'model', 'output', 'text', 'image'])

/** Whether the categories refer to the items' positions, such as `first_better` and `model_b`, or to a tie. */
export const comparesItems = (question: Question): boolean =>
  question.type === 'categorical' &&
  question.categories.some((category) => {
    const words = category.toLowerCase().split(/[^\p{L}\p{N}]+/u)
    if (words.some((word) => places.has(word) || evens.has(word))) return true
    return words.some((word) => /^[a-e1-9]$/.test(word)) && words.some((word) => contests.has(word) || nouns.has(word))
  })
