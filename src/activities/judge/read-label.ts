/** A label and its synonyms. */
export interface Option {
  label: string
  words: string[]
}

/** The label and the words it was read from, or why there is none. */
export type LabelReading = { label: string; from: string } | { problem: string }

/** Labels of a binary verdict. */
export const yesOrNo: Option[] = [
  { label: 'yes', words: ['yes', 'true', 'pass', 'passed', '1'] },
  { label: 'no', words: ['no', 'false', 'fail', 'failed', '0'] },
]

const longestLabel = 300
const mostMentions = 1000

/** Normalizes a label: ignores case, `_`, `-`, spaces, quotes, asterisks and a full stop. */
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .replace(/^[ "'*`([]+/, '')
    .replace(/[ "'*`)\].!,]+$/, '')

const list = (options: Option[]): string => {
  const labels = options.map(({ label }) => label)
  return labels.length > 12 ? `${labels.slice(0, 12).join(', ')} …` : labels.join(', ')
}

/** Reads a label from a value of a JSON answer. */
export const labelOf = (value: unknown, options: Option[]): LabelReading => {
  const text = ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
  if (text === undefined || text.length > longestLabel) return { problem: 'it has no label' }
  const exact = options.find(({ words }) => words.includes(text))
  const found = exact ?? options.find(({ words }) => words.some((word) => plain(word) === plain(text)))
  return found ? { label: found.label, from: text } : { problem: `'${text}' is none of ${list(options)}` }
}

interface Mention {
  label: string
  from: string
  before: string
  atStart: boolean
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

const named =
  /(?:label|categor(?:y|ie)|verdict|answer|judge?ment|classification|choice|option|grade|winner|result|rating|decision)\W{1,6}(?:is\W{1,6})?$/i
const endsPhrase = /^\s{0,3}(?:$|[^\p{L}\p{N}\s])/u
const negated = /(?:\b(?:not|never|neither|nicht|kein\w{0,3}|pas)|n['’]t)\s{1,3}(?:\S{1,12}\s{1,3})?$/i

/** Finds the options in a text, longer words before shorter ones they contain. */
const mentionsIn = (text: string, options: Option[]): Mention[] => {
  const words = options.flatMap(({ label, words }) => words.map((word) => ({ label, word })))
  words.sort((left, right) => right.word.length - left.word.length)
  const patterns = words.map(({ word }) =>
    word
      .trim()
      .split(/[\s_-]+/)
      .map(escaped)
      .join('[\\s_-]{1,3}'),
  )
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])(?:${patterns.join('|')})(?![\\p{L}\\p{N}_])`, 'giu')
  const start = text.length - text.trimStart().length
  const mentions: Mention[] = []
  for (const match of text.matchAll(pattern)) {
    const from = match[0]
    const found = words.find(({ word }) => plain(word) === plain(from))
    if (!found) continue
    const before = text.slice(Math.max(0, match.index - 40), match.index)
    const after = text.slice(match.index + from.length, match.index + from.length + 8)
    // "A" is also an article: a single letter must be called a label, or stand alone.
    const isLetter = found.word.length === 1
    if (isLetter && (found.word !== from || !(named.test(before) || endsPhrase.test(after)))) continue
    const atStart = match.index - start < 8 && /^[\s*_`"'#>([]*$/.test(text.slice(start, match.index))
    mentions.push({ label: found.label, from, before, atStart })
    if (mentions.length >= mostMentions) break
  }
  return mentions
}

/**
 * Reads a label from prose: the one called the verdict, else the one at the beginning, else the only one that is
 * mentioned and not denied. `explicitly` excludes the last rule: `no` is a word of any text.
 */
export const labelInText = (text: string, options: Option[], explicitly: boolean): LabelReading => {
  const whole = labelOf(text.trim(), options)
  if ('label' in whole) return whole
  const mentions = mentionsIn(text, options)
  const called = mentions.find(({ before }) => named.test(before)) ?? mentions.find(({ atStart }) => atStart)
  if (called) return { label: called.label, from: `${called.before.split('\n').at(-1)}${called.from}`.trim() }
  const labels = new Set(mentions.map(({ label }) => label))
  const [only] = mentions
  if (explicitly || !only) return { problem: `it names none of ${list(options)}` }
  if (labels.size > 1) return { problem: `it names several of ${list(options)}` }
  if (mentions.some(({ before }) => negated.test(before))) return { problem: `it denies '${only.label}'` }
  return { label: only.label, from: only.from }
}
