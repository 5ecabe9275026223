import { expect, test } from 'vitest'
import { stepsToTry } from './page.tsx'

const step = (name: string, depends_on: string[] = [], more: { decided_by?: string[] } = {}) => ({
  name,
  depends_on,
  decided_by: more.decided_by ?? [],
})

test.each([
  ['d', [], ['a', 'b', 'd']],
  ['d', ['b'], ['b', 'd']],
  ['a', [], ['a']],
  ['e', [], ['a', 'ask', 'c', 'e']],
  ['c', [], ['c']],
  ['nothing', [], []],
] as const)('to try %s with %j pinned, these are needed', (wanted, pinned, needed) => {
  const steps = [
    ...[step('a'), step('b', ['a']), step('ask', ['a']), step('c', [], { decided_by: ['ask'] })],
    ...[step('d', ['b']), step('e', ['c'])],
  ]
  expect(stepsToTry(steps, wanted, new Set(pinned))).toEqual(needed)
})
