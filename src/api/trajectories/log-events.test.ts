import { expect, it } from 'vitest'
import { timestamp } from '../../lib/time.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import type { ShownDefinition } from './definitions.ts'
import { logEvents } from './log-events.ts'

it('lists no event of a step before the start of its run, and leaves steps side by side as they were timed', () => {
  const run = { trajectory_id: 't', name: 'acme/t', created_at: new Date(7), started_at: new Date(36) } as RunRow
  const step = (name: string, from: number, to: number) =>
    ({ name, status: 'completed', origin: null, started_at: new Date(from), ended_at: new Date(to) }) as StepRecord
  const definition = { step: () => ({ activity: '"text_echo"' }) } as unknown as ShownDefinition
  const events = logEvents(run, [step('a', 35, 40), step('b', 37, 39)], definition)
  const types = ['run_created', 'run_started', 'step_started', 'step_completed', 'step_started', 'step_completed']
  expect(events.map(({ type }) => type)).toEqual(types)
  expect(events.map(({ timestamp }) => Date.parse(timestamp))).toEqual([7, 36, 36, 40, 37, 39])
})

it('lists the end of a run no earlier than its start', () => {
  const times = { created_at: new Date(7), started_at: new Date(36), ended_at: new Date(35) }
  const run = { trajectory_id: 't', name: 'acme/t', status: 'completed', ...times } as RunRow
  const definition = { step: () => ({ activity: '"text_echo"' }) } as unknown as ShownDefinition
  const events = logEvents(run, [], definition)
  expect(events.map(({ timestamp }) => Date.parse(timestamp))).toEqual([7, 36, 36])
})

it('lists no warning of a step before its start', () => {
  const run = { trajectory_id: 't', name: 'acme/t', created_at: new Date(7), started_at: new Date(36) } as RunRow
  const warnings = [38, 45].map((at) => ({ timestamp: timestamp(new Date(at)), message: `at ${at}` }))
  const times = { started_at: new Date(40), ended_at: new Date(50) }
  const step = {
    name: 'a',
    status: 'completed',
    origin: null,
    warnings: JSON.stringify(warnings),
    ...times,
  } as StepRecord
  const definition = { step: () => ({ activity: '"text_echo"' }) } as unknown as ShownDefinition
  const events = logEvents(run, [step], definition)
  expect(events.map(({ timestamp }) => Date.parse(timestamp))).toEqual([7, 36, 40, 40, 45, 50])
})
