import { expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { numberSequenceGenerator } from './number-sequence-generator.ts'

it.each([
  [{ end: 5 }, [1, 2, 3, 4, 5]],
  [{ start: 0, count: 3 }, [0, 1, 2]],
  [{ start: 0, end: 10, step: 4 }, [0, 4, 8]],
  [{ start: 3, end: 1 }, [3, 2, 1]],
  [{ start: 0, end: 1, step: 0.1 }, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]],
  [{ start: 1, count: 3, step: -0.5 }, [1, 0.5, 0]],
  [{ start: 5, end: 1, step: 1 }, []],
  [{ count: 0 }, []],
])('%j gives %j', async (given, numbers) => {
  expect(await runActivity(numberSequenceGenerator, given)).toEqual({ numbers, items: numbers, count: numbers.length })
})

it.each([
  [{}, /Exactly one of end and count is required/],
  [{ end: 3, count: 3 }, /Exactly one of/],
  [{ end: 3, step: 0 }, /step must not be 0/],
  [{ end: 1e12 }, /has 1000000000000 numbers; at most 5 are allowed/],
  [{ start: -1e300, end: 1e300, step: 1e-9 }, /at most 5 are allowed/],
])('refuses %j', async (given, words) => {
  const context = makeTestContext({ settings: { sequenceNumbers: 5 } })
  await expect(runActivity(numberSequenceGenerator, given, context)).rejects.toThrow(words)
})
