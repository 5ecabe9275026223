import { describe, expect, it } from 'vitest'
import type { Owner } from './fair-queue.ts'
import { makeSlots, type Slots, withSpare } from './slots.ts'

const self = (id: number): Owner => ({ payer: id, collectionId: id })
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Notes the names of those who have got a slot, in order. */
const asking = (slots: Slots) => {
  const entered: string[] = []
  const ask = (owner: Owner, name: string) => {
    const slot = slots.acquire(owner)
    if (!slot) entered.push(name)
    else void slot.then(() => entered.push(name))
  }
  return { entered, ask }
}

describe('slots', () => {
  it('lets a waiter whose signal fires leave the queue, and gives the slot to the next one', async () => {
    const slots = makeSlots({ total: 1 })
    expect(slots.acquire(self(1))).toBeUndefined()
    const stop = new AbortController()
    const first = slots.acquire(self(1), stop.signal)
    const second = slots.acquire(self(2), new AbortController().signal)
    stop.abort(new Error('stopped'))
    await expect(first).rejects.toThrow('stopped')
    expect([slots.isWaiting(self(1)), slots.isWaiting(self(2))]).toEqual([false, true])
    slots.release(self(1))
    await second
    expect(slots.used).toBe(1)
    await expect(slots.acquire(self(1), stop.signal)).rejects.toThrow('stopped')
    slots.release(self(2))
    expect([slots.used, slots.isFree(self(1))]).toEqual([0, true])
  })

  it('gives the next free slot to a payer that holds none, though another has 120 collections that wait', async () => {
    const slots = makeSlots({ total: 2 })
    const { entered, ask } = asking(slots)
    for (let id = 1; id <= 120; id++) ask({ payer: 1, collectionId: id }, `a${id}`)
    ask(self(500), 'b1')
    ask(self(500), 'b2')
    slots.release({ payer: 1, collectionId: 1 })
    await settled()
    expect(entered).toEqual(['a1', 'a2', 'b1'])
    slots.release({ payer: 1, collectionId: 2 })
    await settled()
    expect(entered.at(-1)).toBe('a3')
    slots.release({ payer: 1, collectionId: 3 })
    await settled()
    expect(entered.at(-1)).toBe('a4')
  })

  it('keeps slots for others: 120 collections of one payer have no more than its share', async () => {
    const slots = makeSlots(withSpare(16))
    const { entered, ask } = asking(slots)
    for (let id = 1; id <= 120; id++) ask({ payer: 1, collectionId: id }, `a${id}`)
    ask(self(500), 'b')
    expect(entered).toHaveLength(17)
    expect(entered.at(-1)).toBe('b')
    expect([slots.total, slots.used, slots.waitingOf(1)]).toEqual([18, 17, 104])
    slots.release(self(500))
    await settled()
    expect(slots.used).toBe(16)
  })
})
