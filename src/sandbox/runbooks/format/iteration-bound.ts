import type { Position } from './positions.ts'

/** Number of attempts that a runbook allows its agent, and the place in the text that states it. */
export interface IterationBound extends Position {
  rounds: number
}

const words = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
]
const number = `\\**(\\d{1,4}|${words.join('|')})\\**`
const unit = '(?:rounds?|iterations?|attempts?|tries|times|passes|cycles|retries|repeats?)'
const most =
  '(?:max(?:imum)?(?:\\s{1,9}of)?|up\\s{1,9}to|at\\s{1,9}most|no\\s{1,9}more\\s{1,9}than|limit(?:ed)?\\s{1,9}to)'

/** `max 3 rounds`; `max rounds: 3`; `3 rounds at most`. */
const forms = [
  new RegExp(`\\b${most}[\\s:]{0,9}${number}[\\s-]{0,9}(?:\\w{1,20}[\\s-]{1,9})?${unit}\\b`, 'i'),
  new RegExp(`\\bmax(?:imum)?[\\s_-]{1,9}(?:\\w{1,20}[\\s_-]{1,9})?${unit}\\**[\\s:=|]{1,9}${number}\\b`, 'i'),
  new RegExp(`\\b${number}[\\s-]{1,9}${unit}[\\s(]{1,9}(?:max(?:imum)?|at\\s{1,9}most|in\\s{1,9}total)\\b`, 'i'),
]

const roundsOf = (text: string): number => {
  const word = words.indexOf(text.toLowerCase())
  return word >= 0 ? word : Number(text)
}

/** Finds the first place where a text bounds its rounds. */
export const iterationBoundOf = (text: string, at: (offset: number) => Position): IterationBound | undefined => {
  const found = forms.flatMap((form) => {
    const match = form.exec(text)
    return match ? [{ offset: match.index, rounds: roundsOf(match[1] ?? '') }] : []
  })
  const earliest = found.toSorted((left, right) => left.offset - right.offset)[0]
  return earliest && { ...at(earliest.offset), rounds: earliest.rounds }
}
