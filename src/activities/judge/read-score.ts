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
export const scoreOf = (value: unknown, scale: Scale): ScoreReading => {
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
export const scoreInText = (text: string, scale: Scale): ScoreReading => {
  const isList = /^[ \t]{0,8}1[.)][ \t]/m.test(text) && /^[ \t]{0,8}2[.)][ \t]/m.test(text)
  const digits = prepared(text)
  const { found, otherScale } = numbersIn(isList ? digits.replace(listMarkers, blank) : digits, scale.max)
  const rank = found.reduce((highest, number) => Math.max(highest, number.rank), 0)
  const candidates = found.filter((number) => number.rank === rank)
  const chosen = candidates.find(({ value }) => value >= scale.min && value <= scale.max) ?? candidates[0]
  return chosen ? onScale(chosen.value, chosen.from, scale) : noNumber(otherScale, scale)
}
