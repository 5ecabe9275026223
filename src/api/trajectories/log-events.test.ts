import { expect, it } from 'vitest'
import type { RunRow } from '../../store/runs/runs.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import type { ShownDefinition } from './definitions.ts'
import { logEvents } from './log-events.ts'

it('lists no event before the one that it follows, whatever the clocks say', () => {
  const run = { trajectory_id: 't', name: 'acme/t', created_at: new Date(7), started_at: new Date(36) } as RunRow
  const step = { name: 'a', status: 'completed', origin: null, started_at: new Date(35), ended_at: new Date(40) }
  const definition = { step: () => ({ activity: '"text_echo"' }) } as unknown as ShownDefinition
  const events = logEvents(run, [step as StepRecord], definition)
  expect(events.map(({ type }) => type)).toEqual(['run_created', 'run_started', 'step_started', 'step_completed'])
  expect(events.map(({ timestamp }) => Date.parse(timestamp))).toEqual([7, 36, 36, 40])
})
