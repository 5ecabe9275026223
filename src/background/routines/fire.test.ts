import { expect, test } from 'vitest'
import type { CatchUp } from '../../model/cadence.ts'
import { dueFires } from './fire.ts'

const limits = { graceMs: 60_000, mostCaughtUp: 3 }
const cadence = { type: 'hourly' } as const
const at = (clock: string) => Date.parse(`2026-11-27T${clock}Z`)
const clocks = (fires: number[]) => fires.map((ms) => new Date(ms).toISOString().slice(11, 16))
const due = (catchUp: CatchUp, next: string, now: string) => {
  const found = dueFires({ cadence, catchUp, nextMs: at(next) }, at(now), limits)
  return [
    clocks(found.fires),
    clocks([found.next ?? 0])[0],
    found.missed === undefined ? '' : clocks([found.missed])[0],
  ]
}

test.each([
  // [catch_up, next, now, fires, next, first one left out]
  ['none', '10:00:00', '09:59:59.999', [], '10:00', ''],
  ['none', '10:00:00', '10:00:00', ['10:00'], '11:00', ''],
  ['none', '10:00:00', '10:00:59.999', ['10:00'], '11:00', ''],
  ['none', '10:00:00', '10:01:00', [], '11:00', '10:00'],
  ['none', '06:00:00', '10:00:10', ['10:00'], '11:00', '06:00'],
  ['last', '10:00:00', '10:01:00', ['10:00'], '11:00', ''],
  ['last', '06:00:00', '10:30:00', ['10:00'], '11:00', '06:00'],
  ['last', '06:00:00', '10:00:10', ['10:00'], '11:00', '06:00'],
  ['all', '09:00:00', '10:30:00', ['09:00', '10:00'], '11:00', ''],
  ['all', '08:00:00', '11:00:10', ['08:00', '09:00', '10:00', '11:00'], '12:00', ''],
  ['all', '06:00:00', '10:30:00', ['08:00', '09:00', '10:00'], '11:00', '06:00'],
] as const)('%s: due from %s on, at %s', (catchUp, next, now, fires, then, missed) => {
  expect(due(catchUp, next, now)).toEqual([fires, then, missed])
})

test('the clock is set back: what was fired is in the past of the routine', () => {
  expect(due('all', '11:00:00', '09:30:00')).toEqual([[], '11:00', ''])
})

test('however long no server ran, little is looked at', () => {
  const begun = performance.now()
  const found = dueFires(
    { cadence: { type: 'cron', expression: '* * * * *' }, catchUp: 'all', nextMs: Date.parse('2000-01-01T00:00Z') },
    at('10:00:00'),
    limits,
  )
  expect(found.fires).toHaveLength(4)
  expect(performance.now() - begun).toBeLessThan(5_000)
})
