import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { type Decision, WaitForDecision } from '../activity.ts'
import { waitForApproval } from './wait-for-approval.ts'

const started = new Date('2026-01-01T00:00:00Z')
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
