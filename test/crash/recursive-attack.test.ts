import { expect, it } from 'vitest'
import { recursiveAttack } from './scenarios/recursive-attack.ts'

/** Seconds of each attack; JETTY_ATTACK_SECONDS=600 gives it ten minutes. */
const seconds = Number(process.env.JETTY_ATTACK_SECONDS ?? 60)
const timeout = (seconds + 240) * 1_000

it('a tenant that fans out to itself does not stop another one', { timeout }, async () => {
  expect(await recursiveAttack({ seconds, workers: 0 })).toEqual([])
})

it('the same with three workers on one Postgres', { timeout }, async () => {
  expect(await recursiveAttack({ seconds, workers: 3 })).toEqual([])
})
