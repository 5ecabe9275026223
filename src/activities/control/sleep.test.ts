import { expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { WaitUntil } from '../activity.ts'
import { sleep } from './sleep.ts'

it.each([
  [0, '2026-01-01T00:00:00.000Z'],
  [0.25, '2026-01-01T00:00:00.250Z'],
  [3600, '2026-01-01T01:00:00.000Z'],
  [31_536_000, '2027-01-01T00:00:00.000Z'],
])('%j seconds from the first start end at %j', async (seconds, until) => {
  const result = await runActivity(sleep, { seconds }, makeTestContext({ started: new Date('2026-01-01T00:00:00Z') }))
  expect(result).toBeInstanceOf(WaitUntil)
  expect(result).toEqual(new WaitUntil(new Date(until), { seconds }))
})

it.each([-1, 31_536_001, '5', null])('refuses %j', async (seconds) => {
  await expect(runActivity(sleep, { seconds })).rejects.toMatchObject({ code: 'parameter_invalid' })
})
