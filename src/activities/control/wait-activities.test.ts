import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { type AwaitedEvent, WaitForEvent } from '../../model/events/awaited-event.ts'
import { type Decision, WaitForDecision, WaitUntil } from '../activity.ts'
import { sleep, waitForApproval, waitForEvent } from './wait-activities.ts'

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

const started = new Date('2026-01-01T00:00:00Z')

describe('before an event came', () => {
  const asked = async (parameters: Record<string, unknown>) => {
    const result = await runActivity(waitForEvent, parameters, makeTestContext({ started }))
    expect(result).toBeInstanceOf(WaitForEvent)
    return (result as WaitForEvent).asked
  }

  it.each([
    [{}, { event: null, key: null, schema: null, expiresAt: null }],
    [
      { event: 'payment.received', key: 'order 7' },
      { event: 'payment.received', key: 'order 7' },
    ],
    [{ key: 4711 }, { key: '4711' }],
    [{ output_schema: { type: 'object' } }, { schema: { type: 'object' } }],
    [{ expires_in_sec: 60 }, { expiresAt: new Date('2026-01-01T00:01:00Z') }],
    [{ expires_in_sec: 60, expires_at: '2026-01-01T00:00:30Z' }, { expiresAt: new Date('2026-01-01T00:00:30Z') }],
  ])('%j waits for %j', async (parameters, wanted) => {
    expect(await asked(parameters)).toMatchObject(wanted)
  })

  it.each([
    { event: 'two words' },
    { event: '' },
    { key: '' },
    { key: 'x'.repeat(201) },
    { key: 'one\ntwo' },
    { expires_in_sec: -1 },
    { on_timeout: 'approve' },
    { output_schema: { pattern: '(' } },
    { output_schema: { title: 'x'.repeat(100_000) } },
  ])('refuses %j', async (parameters) => {
    await expect(runActivity(waitForEvent, parameters)).rejects.toMatchObject({ code: 'parameter_invalid' })
  })
})

describe('after the wait', () => {
  const came: AwaitedEvent = {
    event: 'paid',
    key: '4711',
    id: 'evt-1',
    payload: { amount: 5 },
    sent_by: 'admin',
    received_at: started,
    ended_at: started,
  }
  const late: AwaitedEvent = { ...came, id: null, payload: null, sent_by: null, received_at: null }
  const run = (event: AwaitedEvent, parameters = {}) =>
    runActivity(waitForEvent, parameters, makeTestContext({ started, event }))

  it('puts out the event', async () => {
    expect(await run(came)).toEqual({
      payload: { amount: 5 },
      event: 'paid',
      key: '4711',
      id: 'evt-1',
      sent_by: 'admin',
      received_at: '2026-01-01T00:00:00.000000Z',
      timed_out: false,
    })
  })

  it('fails when none came in time, unless it is to continue', async () => {
    await expect(run(late)).rejects.toMatchObject({
      code: 'timed_out',
      message: "Event 'paid' with key '4711' did not come by 2026-01-01T00:00:00.000000Z",
    })
    expect(await run(late, { on_timeout: 'continue' })).toMatchObject({ payload: null, id: null, timed_out: true })
  })
})

const message = 'May it go?'

describe('while nobody has decided', () => {
  it('asks, with all that helps to decide', async () => {
    const parameters = { message, assignees: ['ann'], metadata: { words: 12 } }
    const result = await runActivity(waitForApproval, parameters, makeTestContext({ started }))
    expect(result).toEqual(new WaitForDecision({ ...parameters, expiry: null }))
  })

  it.each([
    [{ expires_in_sec: 60 }, '2026-01-01T00:01:00.000Z', 'fail'],
    [{ expires_at: '2026-01-02T08:00:00+02:00', default_decision: 'reject' }, '2026-01-02T06:00:00.000Z', 'reject'],
    [{ expires_in_sec: 60, expires_at: '2026-01-01T00:00:30Z' }, '2026-01-01T00:00:30.000Z', 'fail'],
    [
      { expires_in_sec: 10, expires_at: '2027-01-01', default_decision: 'approve' },
      '2026-01-01T00:00:10.000Z',
      'approve',
    ],
  ])('%j expires at %s', async (limits, at, decision) => {
    const result = await runActivity(waitForApproval, { message, ...limits }, makeTestContext({ started }))
    expect((result as WaitForDecision).asked.expiry).toEqual({ at: new Date(at), decision })
  })

  it.each([
    {},
    { message: '' },
    { message, expires_in_sec: -1 },
    { message, expires_at: 'tomorrow' },
    { message, default_decision: 'maybe' },
    { message, metadata: { long: 'x'.repeat(20_000) } },
  ])('refuses %j', async (parameters) => {
    await expect(runActivity(waitForApproval, parameters)).rejects.toMatchObject({ code: 'parameter_invalid' })
  })
})

describe('once it is decided', () => {
  const decided = (more: Partial<Decision>): Decision => ({
    decision: 'approve',
    comment: null,
    decided_by: 'api-key:ann',
    decided_at: new Date('2026-01-01T09:00:00Z'),
    ...more,
  })
  const run = (decision: Decision, parameters = {}) =>
    runActivity(waitForApproval, { message, ...parameters }, makeTestContext({ started, decision }))

  it('puts it out', async () => {
    expect(await run(decided({ comment: 'fine' }))).toEqual({
      decision: 'approve',
      comment: 'fine',
      decided_by: 'api-key:ann',
      decided_at: '2026-01-01T09:00:00.000000Z',
      expired: false,
    })
    expect(await run(decided({ decided_by: null }))).toMatchObject({ decided_by: null, expired: true })
    expect(await run(decided({ decision: 'reject' }), { fail_on_reject: false })).toMatchObject({ decision: 'reject' })
  })

  it.each([
    [{ decision: 'reject' }, 'Rejected by api-key:ann'],
    [{ decision: 'reject', comment: 'too long' }, 'Rejected by api-key:ann: too long'],
    [{ decision: 'reject', decided_by: null }, 'Rejected, because no person decided in time'],
    [{ decision: 'fail', decided_by: null }, 'The approval expired without a decision at 2026-01-01T09:00:00.000000Z'],
  ] as const)('%j fails the step', async (made, text) => {
    await expect(run(decided(made))).rejects.toMatchObject({ code: 'not_approved', message: text })
  })
})
