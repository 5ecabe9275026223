import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { type AwaitedEvent, WaitForEvent } from '../../model/events/awaited-event.ts'
import { waitForEvent } from './wait-for-event.ts'

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
