import { expect, it } from 'vitest'
import { everythingAtOnce } from './scenarios/everything-at-once.ts'

it('whatever happens at the same time, numbers are those of the rows and nothing is left of what was deleted', async () => {
  expect(await everythingAtOnce({ seconds: 30, clients: 24, kills: 0, cuts: 0 })).toEqual([])
})

it('the same while processes are killed and frozen', async () => {
  expect(await everythingAtOnce({ seconds: 30, clients: 24, kills: 4, cuts: 0 })).toEqual([])
})

it('the same while connections to the database are lost', async () => {
  expect(await everythingAtOnce({ seconds: 30, clients: 24, kills: 0, cuts: 100 })).toEqual([])
})
