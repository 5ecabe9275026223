import { describe, expect, it } from 'vitest'
import { makeFairQueue } from './fair-queue.ts'

const takeAll = (queue: ReturnType<typeof makeFairQueue<string>>): string[] => {
  const all: string[] = []
  for (let item = queue.take(); item !== undefined; item = queue.take()) all.push(item)
  return all
}

describe('makeFairQueue', () => {
  it('takes one item of each owner in turn, those of one owner in order', () => {
    const queue = makeFairQueue<string>()
    for (const item of ['a1', 'a2', 'a3', 'a4']) queue.add(1, item)
    queue.add(2, 'b1')
    queue.add(3, 'c1')
    queue.add(3, 'c2')
    expect(queue.next()).toBe('a1')
    expect(takeAll(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4'])
  })

  it('gives an owner who comes late the turn after the one that is next', () => {
    const queue = makeFairQueue<string>()
    for (let at = 0; at < 10_000; at++) queue.add(1, `a${at}`)
    expect(queue.take()).toBe('a0')
    queue.add(2, 'b')
    expect([queue.take(), queue.take(), queue.take()]).toEqual(['a1', 'b', 'a2'])
    expect([queue.size, queue.has(1), queue.has(2)]).toEqual([9_997, true, false])
    expect(takeAll(queue)).toHaveLength(9_997)
    expect([queue.size, queue.has(1)]).toEqual([0, false])
  })

  it('removes what is not wanted any more, and keeps the order of the rest', () => {
    const queue = makeFairQueue<string>()
    for (const item of ['a1', 'x', 'a2']) queue.add(1, item)
    queue.add(2, 'x')
    queue.add(3, 'c1')
    expect(queue.remove((item) => item === 'x')).toEqual(['x', 'x'])
    expect([queue.size, queue.has(2)]).toEqual([3, false])
    expect(takeAll(queue)).toEqual(['a1', 'c1', 'a2'])
  })

  it('keeps the order over long queues that are filled while they are emptied', () => {
    const queue = makeFairQueue<number>()
    let added = 0
    let taken = 0
    for (let round = 0; round < 5_000; round++) {
      queue.add(1, added++)
      queue.add(1, added++)
      expect(queue.take()).toBe(taken++)
    }
    while (queue.size > 0) expect(queue.take()).toBe(taken++)
    expect(taken).toBe(added)
  })
})
