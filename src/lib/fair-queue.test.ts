import { describe, expect, it } from 'vitest'
import { makeFairQueue, type Owner } from './fair-queue.ts'

const takeAll = (queue: ReturnType<typeof makeFairQueue<string>>): string[] => {
  const all: string[] = []
  for (let item = queue.take(); item !== undefined; item = queue.take()) all.push(item)
  return all
}

/** A collection that pays for itself. */
const self = (id: number): Owner => ({ payer: id, collectionId: id })

describe('makeFairQueue', () => {
  it('takes one item of each owner in turn, those of one owner in order', () => {
    const queue = makeFairQueue<string>()
    for (const item of ['a1', 'a2', 'a3', 'a4']) queue.add(self(1), item)
    queue.add(self(2), 'b1')
    queue.add(self(3), 'c1')
    queue.add(self(3), 'c2')
    expect(queue.next()).toBe('a1')
    expect(takeAll(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4'])
  })

  it('gives 120 collections of one payer the turns of one', () => {
    const queue = makeFairQueue<string>()
    for (let at = 0; at < 120; at++) {
      queue.add({ payer: 1, collectionId: at }, `a${at}`)
      queue.add({ payer: 1, collectionId: at }, `again${at}`)
    }
    queue.add(self(500), 'b1')
    queue.add(self(500), 'b2')
    const order = takeAll(queue)
    expect(order.slice(0, 5)).toEqual(['a0', 'b1', 'a1', 'b2', 'a2'])
    expect(order.indexOf('again0')).toBeGreaterThan(order.indexOf('a119'))
    expect(order).toHaveLength(242)
  })

  it('shows the first item of each collection, and takes that of any of them', () => {
    const queue = makeFairQueue<string>()
    queue.add({ payer: 1, collectionId: 1 }, 'a1')
    queue.add({ payer: 1, collectionId: 1 }, 'a2')
    queue.add({ payer: 1, collectionId: 2 }, 'b1')
    queue.add(self(3), 'c1')
    const shown = () => [...queue.heads()].map(({ item }) => item)
    expect(shown()).toEqual(['a1', 'b1', 'c1'])
    expect(queue.takeOf({ payer: 1, collectionId: 2 })).toBe('b1')
    expect(shown()).toEqual(['c1', 'a1'])
    expect(queue.takeOf({ payer: 1, collectionId: 2 })).toBe(undefined)
  })

  it('gives an owner who comes late the turn after the one that is next', () => {
    const queue = makeFairQueue<string>()
    for (let at = 0; at < 10_000; at++) queue.add(self(1), `a${at}`)
    expect(queue.take()).toBe('a0')
    queue.add(self(2), 'b')
    expect([queue.take(), queue.take(), queue.take()]).toEqual(['a1', 'b', 'a2'])
    expect([queue.size, queue.has(self(1)), queue.has(self(2))]).toEqual([9_997, true, false])
    expect(takeAll(queue)).toHaveLength(9_997)
    expect([queue.size, queue.has(self(1))]).toEqual([0, false])
  })

  it('removes what is not wanted any more, and keeps the order of the rest', () => {
    const queue = makeFairQueue<string>()
    for (const item of ['a1', 'x', 'a2']) queue.add(self(1), item)
    queue.add(self(2), 'x')
    queue.add(self(3), 'c1')
    expect(queue.remove((item) => item === 'x')).toEqual(['x', 'x'])
    expect([queue.size, queue.has(self(2))]).toEqual([3, false])
    expect(takeAll(queue)).toEqual(['a1', 'c1', 'a2'])
  })

  it('keeps the order over long queues that are filled while they are emptied', () => {
    const queue = makeFairQueue<number>()
    let added = 0
    let taken = 0
    for (let round = 0; round < 5_000; round++) {
      queue.add(self(1), added++)
      queue.add(self(1), added++)
      expect(queue.take()).toBe(taken++)
    }
    while (queue.size > 0) expect(queue.take()).toBe(taken++)
    expect(taken).toBe(added)
  })
})
