import { expect, it } from 'vitest'
import { makeRunbookSlots, type RunbookSlots } from './runbook-slots.ts'

const never = new AbortController().signal

const self = (payer: string) => ({ payer, collectionId: 0 })

/** Asks for places and notes who has entered; `leave` gives the place of an entry back. */
const ask = (places: RunbookSlots) => {
  const entered: string[] = []
  const leave = new Map<string, () => void>()
  const take = async (owner: string, name: string, signal = never) => {
    const give = await places.take(self(owner), signal)
    entered.push(name)
    leave.set(name, give)
  }
  return { entered, take, leave: (name: string) => leave.get(name)?.() }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

it('gives a free place to the collection with the fewest, though another one asked a hundred times before', async () => {
  const { entered, take, leave } = ask(makeRunbookSlots({ total: 2, share: 2 }))
  for (let number = 0; number < 100; number++) void take('greedy', `g${number}`)
  for (let number = 0; number < 3; number++) void take('small', `s${number}`)
  await settled()
  expect(entered).toEqual(['g0', 'g1'])
  for (const name of ['g0', 'g1', 's0', 's1', 'g2']) {
    leave(name)
    await settled()
  }
  // The second free place is shared between two collections that have one and none, and so on in turn.
  expect(entered).toEqual(['g0', 'g1', 's0', 'g2', 's1', 's2', 'g3'])
})

it('keeps places free for others: one collection has no more than its share', async () => {
  const places = makeRunbookSlots({ total: 4, share: 3 })
  const { entered, take, leave } = ask(places)
  for (let number = 0; number < 10; number++) void take('greedy', `g${number}`)
  await settled()
  expect(places.taken).toBe(3)
  void take('small', 's0')
  await settled()
  expect(entered).toEqual(['g0', 'g1', 'g2', 's0'])
  leave('s0')
  leave('s0')
  await settled()
  expect(places.taken).toBe(3)
})

it('gives a neighbour the next place, though 120 collections of one payer wait', async () => {
  const places = makeRunbookSlots({ total: 4, share: 3 })
  const entered: string[] = []
  for (let collectionId = 1; collectionId <= 120; collectionId++) {
    void places.take({ payer: 1, collectionId }, never).then(() => entered.push('of the payer'))
  }
  await settled()
  expect(entered).toHaveLength(3)
  void places.take(self('small'), never).then(() => entered.push('neighbour'))
  await settled()
  expect(entered.at(-1)).toBe('neighbour')
})

it('says what a runbook waits for', async () => {
  const places = makeRunbookSlots({ total: 2, share: 1 })
  const said: string[] = []
  const wait = (owner: string) => void places.take(self(owner), never, (why) => said.push(why))
  for (const owner of ['a', 'a', 'a', 'b', 'c']) wait(owner)
  await settled()
  expect(said).toEqual([
    'All sandboxes that this collection may use at once are in use (1)',
    'All sandboxes that this collection may use at once are in use (1); 1 more of this collection wait before it',
    'All sandboxes are in use (2)',
  ])
})

it('forgets a runbook that is cancelled while it waits', async () => {
  const places = makeRunbookSlots({ total: 1, share: 1 })
  const { entered, take, leave } = ask(places)
  const cancel = new AbortController()
  void take('a', 'first')
  const cancelled = take('b', 'cancelled', cancel.signal)
  void take('b', 'second')
  cancel.abort()
  await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' })
  leave('first')
  await settled()
  expect(entered).toEqual(['first', 'second'])
})
