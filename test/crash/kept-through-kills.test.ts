// Promises through kills that `npm test` has no time for.
import { expect, it } from 'vitest'
import { approvals } from './scenarios/approvals.ts'
import { batches } from './scenarios/batches.ts'
import { bulkCancels } from './scenarios/bulk-cancels.ts'
import { evaluations } from './scenarios/evaluations.ts'
import { fanOutFrozen } from './scenarios/fan-out-frozen.ts'
import { repeated } from './scenarios/repeated.ts'
import { reruns } from './scenarios/reruns.ts'
import { sentEvents } from './scenarios/sent-events.ts'

it('an evaluation goes on after kills: each run is judged once by each judge', async () => {
  expect(await evaluations({ kills: 3 })).toEqual([])
})

it('a request that is repeated with its key until it is answered starts one run', async () => {
  expect(await repeated({ kills: 3, requests: 300 })).toEqual([])
})

it('reruns from the middle survive kills: what they carry over is there once, and never executed', async () => {
  expect(await reruns({ kills: 3, runs: 60 })).toEqual([])
})

it('a frozen worker that thaws begins none of the children that others have by now', async () => {
  expect(await fanOutFrozen({ children: 300 })).toEqual([])
})

it('cancels of many runs that are just ending run into nobody', async () => {
  expect(await bulkCancels({ rounds: 20, runs: 200 })).toEqual([])
})

it('runs that wait for a person wait on through kills, and are decided once', async () => {
  expect(await approvals({ runs: 20, kills: 8 })).toEqual([])
})

it('runs that wait for an event wait on through kills, and each event continues one run once', async () => {
  expect(await sentEvents({ runs: 20, kills: 6 })).toEqual([])
})

it('a batch of 2,000 goes on after kills without a duplicate', async () => {
  expect(await batches({ kills: 6, size: 2_000 })).toEqual([])
})
