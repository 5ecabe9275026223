import { expect, it } from 'vitest'
import { judgeScripted } from './scripted.ts'

const judged = (content: string): { score: number; explanation: string } =>
  JSON.parse(judgeScripted({ model: 'scripted/judge', messages: [{ role: 'user', content }] }, 'best'))
const about = (item: string, instruction = '') =>
  judged(`${instruction}\n\n<<<ITEM\n${item}\nITEM>>>\n\nGive a score: {"score": <number from 1 to 5>}`).score

it.each([
  ['Input:\n{}\n\nExpected:\nHello, Ada!\n\nOutput:\nhello,  ADA!', '', 5],
  ['Input:\n{}\n\nExpected:\nHello, Ada!\n\nOutput:\nHello, Grace!', '', 1],
  ['Expected:\nHello\n\nOutput:\n', '', 1],
  ['Input:\nsorry\n\nOutput:\nthanks', 'scripted: 2 if "sorry"', 5],
  ['Input:\nthanks\n\nOutput:\nsorry', 'scripted: 2 if "sorry"', 2],
  ['Output: sorry', 'scripted: 2 if "sorry"', 2],
  ['', '', 5],
])('looks at the output of a run: %j', (item, instruction, score) => {
  expect(about(item, instruction)).toBe(score)
})

// A pattern that goes over the rest of the text from every place in it would take minutes.
it.each([
  ['marks without an end', '<<<ITEM\n'.repeat(200_000)],
  ['spaces in a rule', `scripted: ${' '.repeat(500_000)}x`],
  ['rules without an end', 'scripted: 1 if "'.repeat(100_000)],
  ['runs without an output', `Input:\n${'\n\nExpected:\n'.repeat(200_000)}`],
  ['scales without an end', '<number from 1'.repeat(100_000)],
  ['dimensions without an end', '"dimensions": {"a": <'.repeat(50_000)],
  ['labels without an end', 'Choose exactly one of these labels: "'.repeat(50_000)],
])('takes time in proportion to the text: %s', (_, text) => {
  expect(judged(text).score).toBe(5)
  expect(about(text.replaceAll('ITEM', 'THAT'))).toBeGreaterThanOrEqual(1)
})
