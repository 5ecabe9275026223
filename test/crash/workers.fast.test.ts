// The crash tests of several processes with small numbers: the part of them that `npm test` has time for.
import { expect, it } from 'vitest'
import { approvalsTakenOver } from './scenarios/approvals-taken-over.ts'
import { cancels } from './scenarios/cancels.ts'
import { idClashes } from './scenarios/id-clashes.ts'
import { startTogether } from './scenarios/start-together.ts'

const timeout = 300_000

it('a cancel ends a run once, wherever it is', { timeout }, async () => {
  expect(await cancels({ racing: 30 })).toEqual([])
})

it('runs that wait for a person in memory wait on at another worker', { timeout }, async () => {
  expect(await approvalsTakenOver({ runs: 30 })).toEqual([])
})

it('a clash of trajectory ids draws another and fails no run', { timeout }, async () => {
  expect(await idClashes({ runs: 40 })).toEqual([])
})

it('two processes that start together on an empty database both come up', { timeout }, async () => {
  expect(await startTogether({ processes: 2 })).toEqual([])
})
