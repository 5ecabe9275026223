// When a step that carries a runbook out is tried again, and how its end is counted; without a sandbox.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import type { RunbookFailure } from '../../../src/model/runbooks/runbook-run.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { failing, makeRunner } from '../runs/carrying.ts'

let reason: RunbookFailure = 'model_failed'
const { runner, hosts } = makeRunner({
  succeeds: async () => undefined,
  'fails once': async (_, host) => (host.isRepeated ? undefined : failing(reason)),
  'cannot keep': async () => {
    throw new AppError('storage_full', 'No space left to store the file')
  },
})

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ runbooks: runner })
})
afterAll(() => jetty?.close())
beforeEach(() => {
  hosts.length = 0
})

const carryOut = (instruction: string, options: Body = {}) =>
  jetty.run({
    step_configs: { run: { activity: 'runbook', agent: 'scripted', instruction, options } },
    steps: ['run'],
  })
const retry = { max_attempts: 3, backoff: 0 }

it.each<[RunbookFailure, number]>([
  ['not_started', 2],
  ['stalled', 2],
  ['model_failed', 2],
  ['verify_unavailable', 2],
  ['verify_failed', 1],
  ['missing_files', 1],
  ['agent_failed', 1],
  ['timed_out', 1],
  ['budget_exceeded', 1],
  ['out_of_memory', 1],
])('%s: with options.retry it is carried out %s times', async (given, times) => {
  reason = given
  const run = await carryOut('fails once', { retry })
  expect(hosts).toHaveLength(times)
  expect(run.status).toBe(times === 1 ? 'failed' : 'completed')
  if (times === 1) expect(run.steps.run.error_detail).toMatchObject({ code: 'runbook_failed', retryable: false })
})

it('of a kind that may pass, and not tried again unasked', async () => {
  reason = 'model_failed'
  const run = await carryOut('fails once')
  expect(hosts).toHaveLength(1)
  expect(run.steps.run.error_detail).toMatchObject({ code: 'runbook_failed', retryable: true })
})

it('with retry_on it is tried again for the failure that is named, or for all', async () => {
  reason = 'verify_failed'
  for (const retryOn of ['all', ['runbook_failed']]) {
    hosts.length = 0
    expect((await carryOut('fails once', { retry: { ...retry, retry_on: retryOn } })).status).toBe('completed')
    expect(hosts).toHaveLength(2)
  }
})

it('what an agent has made and nobody could keep is a failure, and no second agent', async () => {
  const run = await carryOut('cannot keep')
  expect(run).toMatchObject({ status: 'failed', steps: { run: { error_detail: { code: 'storage_full' } } } })
  expect(hosts).toHaveLength(1)
})

it('metrics have how runbooks ended', async () => {
  const ended = async (label: string) =>
    Number(
      new RegExp(`^jetty_runbooks_ended_total\\{reason="${label}"\\} (\\d+)`, 'm').exec(
        (await jetty.call('GET', '/metrics')).body as string,
      )?.[1] ?? 0,
    )
  const before = [await ended('completed'), await ended('verify_failed')] as const
  await carryOut('succeeds')
  reason = 'verify_failed'
  await carryOut('fails once')
  expect([await ended('completed'), await ended('verify_failed')]).toEqual([before[0] + 1, before[1] + 1])
})
