// Runbooks in real sandboxes, while servers and workers die, freeze and stop.
import { expect, it } from 'vitest'
import { runbookCallInFlight } from './scenarios/runbook-call-in-flight.ts'
import { runbookDrained } from './scenarios/runbook-drained.ts'
import { runbookKills } from './scenarios/runbook-kills.ts'
import { runbookQueue } from './scenarios/runbook-queue.ts'
import { runbookDiskFull, runbookPostgresKilled } from './scenarios/runbook-storage.ts'
import { runbookFrozen, runbookWorkerKilled } from './scenarios/runbook-workers.ts'

const isRoot = process.getuid?.() === 0

it('a runbook is completed by a fresh sandbox, whatever it was at when its server was killed', async () => {
  expect(await runbookKills(['working', 'collecting', 'verifying', 'stored'])).toEqual([])
})

it('a call of a model that is under way: what was paid before it is counted', async () => {
  expect(await runbookCallInFlight()).toEqual([])
})

it('a frozen worker that thaws ends its sandbox and writes nothing', async () => {
  expect(await runbookFrozen()).toEqual([])
})

it('a worker that dies leaves its runbook to the other, and its sandbox to whoever starts next', async () => {
  expect(await runbookWorkerKilled()).toEqual([])
})

it('SIGTERM lets a runbook end within its time, and leaves the others to the next start', async () => {
  expect(await runbookDrained()).toEqual([])
})

it('a hundred runbooks at once complete in their turn', async () => {
  expect(await runbookQueue({ runs: 100, places: 10, kills: 0 })).toEqual([])
})

it('and through kills, where only what was at work is begun again', async () => {
  expect(await runbookQueue({ runs: 100, places: 5, kills: 4 })).toEqual([])
})

it('the death of Postgres delays a runbook, and costs no second agent', async () => {
  expect(await runbookPostgresKilled()).toEqual([])
})

it.runIf(isRoot)('results that cannot be kept fail the run by name', async () => {
  expect(await runbookDiskFull()).toEqual([])
})
