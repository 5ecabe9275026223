import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../../src/lib/errors.ts'
import { remedyOf } from '../../parts/remedy.ts'
import { at, runOf, step, whole } from '../../parts/test-steps.ts'
import { firstStepToShow, troubleOf } from './failure.ts'

const detail = (code: string, other = {}) => ({
  code,
  message: `It is ${code}`,
  retryable: false,
  hint: null,
  cause: null,
  ...other,
})
const failed = (key: string, code: string, other = {}) =>
  step(key, 10, 20, { status: 'failed', error: 'x', error_detail: detail(code, other) })
const failing = (...steps: Parameters<typeof runOf>[0]) =>
  runOf([step('a'), ...steps], { status: 'failed', error: `Step '${steps[0]?.key}' failed: x` })

describe('what is wrong with a run', () => {
  it.each([
    ['completed', runOf([step('a')])],
    ['running', runOf([step('a', 0, null)], { status: 'running', ended: null })],
  ])('is nothing when it is %s', (_, run) => {
    expect(troubleOf(run)).toBeUndefined()
  })

  it('is the failed step, with its hint', () => {
    expect(troubleOf(failing(failed('b', 'not_found', { hint: 'Send the file.', cause: 'ENOENT' })))).toMatchObject({
      tone: 'bad',
      step: 'b',
      message: 'It is not_found',
      hint: 'Send the file.',
      cause: 'ENOENT',
      others: 0,
      action: { kind: 'show', step: 'b' },
    })
  })

  it.each([
    ['network_failed', { retryable: true }, { kind: 'rerun', step: 'b' }],
    ['upstream_failed', { retryable: true }, { kind: 'rerun', step: 'b' }],
    ['upstream_failed', {}, { kind: 'show', step: 'b' }],
    ['model_unavailable', {}, { kind: 'environment', collection: 'acme' }],
    ['reference_missing', {}, { kind: 'definition' }],
    ['activity_failed', {}, { kind: 'show', step: 'b' }],
  ])('with %s suggests what helps first', (code, other, action) => {
    const trouble = troubleOf(failing(failed('b', code, other)))
    expect(trouble?.action).toEqual(action)
  })

  it.each(['upstream_failed', 'timed_out', 'network_failed'] as const)('with %s says what the code means', (code) => {
    const trouble = troubleOf(failing(failed('b', code)))
    expect(trouble?.hint).toBe(errorCodes[code].remedy)
    expect(trouble?.hint).toBe(remedyOf(detail(code))) // what the panel of the step says
  })

  it('is what failed of a fan-out that went on', () => {
    const progress = { total: 40, begun: 40, ended: 40, completed: 36, failed: 4, cancelled: 0 }
    const run = runOf([step('all', 0, 10, { progress }), step('after')])
    expect(troubleOf(run)).toMatchObject({
      tone: 'part',
      step: 'all',
      message: '4 of 40 runs failed',
      action: { kind: 'runs', step: 'all' },
    })
    expect(troubleOf(runOf([step('all', 0, 10, { progress: { ...progress, failed: 0 } })]))).toBeUndefined()
  })

  it('is the step that ended the run, not one that it went on from', () => {
    const run = runOf([failed('early', 'timed_out'), failed('late', 'internal')], {
      status: 'failed',
      error: "Step 'late' failed: x",
    })
    expect(troubleOf(run)).toMatchObject({ step: 'late', others: 1 })
    expect(firstStepToShow(run)).toBe('late')
  })

  it('is the refusal where no step began', () => {
    const run = runOf([], {
      status: 'failed',
      error: 'No key',
      error_detail: detail('model_unavailable', { hint: 'Set it.' }),
    })
    expect(troubleOf(run)).toMatchObject({ step: undefined, hint: 'Set it.', action: { kind: 'environment' } })
  })

  it('is the first failed child of a fan-out', () => {
    const outputs = {
      trajectory_references: [
        { trajectory_id: '1', name: 'acme/one', status: 'completed' },
        { trajectory_id: '2', name: 'acme/one', status: 'failed' },
      ],
    }
    const run = failing(failed('b', 'activity_failed'))
    expect(troubleOf(run, { ...failed('b', 'activity_failed'), ...whole, outputs })?.action).toEqual({
      kind: 'child',
      task: 'one',
      id: '2',
    })
  })

  it('is the decision that it waits for', () => {
    const waiting = [{ step: 'gate', message: 'Publish?', since: at(0), expires_at: null, decide: '' }]
    const run = runOf([step('gate', 0, null)], { status: 'running', waiting })
    expect(troubleOf(run)).toMatchObject({ tone: 'wait', step: 'gate', message: 'Publish?' })
    expect(firstStepToShow(run)).toBe('gate')
  })

  it('is where it was cancelled', () => {
    const run = runOf([step('a'), step('b', 5, 9, { status: 'cancelled' })], { status: 'cancelled' })
    expect(troubleOf(run)).toMatchObject({ tone: 'idle', message: 'Cancelled during b' })
  })
})

describe('the step to show first', () => {
  it.each([
    ['the last of a completed run', runOf([step('a'), step('b'), step('c', 0, 0, { status: 'skipped' })]), 'b'],
    ['the one at work', runOf([step('a'), step('b', 0, null)], { status: 'running' }), 'b'],
    ['none without steps', runOf([]), undefined],
  ])('is %s', (_, run, expected) => {
    expect(firstStepToShow(run)).toBe(expected)
  })
})
