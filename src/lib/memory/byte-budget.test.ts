import { describe, expect, it, vi } from 'vitest'
import { makeByteBudget, type Share } from './byte-budget.ts'
import { smallShareBytes } from './owner-caps.ts'

const mib = 1024 * 1024
const what = 'The test'

/** 64 MiB of which 56 are for large shares, and 42 of these for one owner. */
const makeBudget = () => makeByteBudget(64 * mib)

const taken = (share: Share, size: number): boolean => share.add(size * mib, { what }) === undefined

describe('the memory budget', () => {
  it('gives at once what there is room for, and lets others wait until something is given back', async () => {
    const budget = makeBudget()
    const [one, other, third] = [budget.open('a'), budget.open('b'), budget.open('c')]
    expect([taken(one, 30), taken(other, 20)]).toEqual([true, true])
    const wait = third.add(20 * mib, { what })
    expect([budget.used, budget.waiting]).toEqual([50 * mib, 1])
    one.end()
    await wait
    expect([budget.used, budget.waiting]).toEqual([40 * mib, 0])
  })

  it('refuses what could never fit, in words that say what to do', () => {
    const share = makeBudget().open('a')
    expect(() => share.add(57 * mib, { what })).toThrow('The test needs 57 MiB of memory at once; at most 56 MiB')
  })

  it('keeps room for small shares, also while large ones wait', () => {
    const budget = makeBudget()
    expect([taken(budget.open('a'), 40), taken(budget.open('b'), 16)]).toEqual([true, true])
    void budget.open('c').add(50 * mib, { what })
    for (let small = 0; small < 8; small++) expect(taken(budget.open(`small ${small}`), 1)).toBe(true)
    expect(budget.open('more').add(smallShareBytes, { what })).toBeInstanceOf(Promise)
  })

  it('lets owners take turns, and each keep its own order', async () => {
    const budget = makeBudget()
    const all = budget.open('holder')
    expect(taken(all, 56)).toBe(true)
    const order: string[] = []
    const ask = (owner: string, name: string) => {
      const share = budget.open(owner)
      const begin = share.add(40 * mib, { what })?.then(() => {
        order.push(name)
        share.end()
      })
      return begin
    }
    const waits = [ask('a', 'a1'), ask('a', 'a2'), ask('a', 'a3'), ask('b', 'b1'), ask('c', 'c1')]
    all.end()
    await Promise.all(waits)
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'a3'])
  })

  it('leaves a quarter to the others, whatever one owner asks for', () => {
    const budget = makeBudget()
    expect([taken(budget.open('a'), 20), taken(budget.open('a'), 20)]).toEqual([true, true])
    expect(budget.open('a').add(5 * mib, { what })).toBeInstanceOf(Promise)
    expect(taken(budget.open('b'), 14)).toBe(true)
  })

  it('keeps three quarters of what one owner may have for its steps, however many of its requests hold and wait', async () => {
    const budget = makeBudget()
    const bodies = [14, 14, 14].map((size) => budget.open('a', 'request').add(size * mib, { what, waitMs: 1 }))
    const [held, ...waiting] = bodies
    expect(held).toBe(undefined)
    expect([taken(budget.open('a'), 14), taken(budget.open('a'), 13)]).toEqual([true, true])
    expect(budget.open('a', 'request').add(smallShareBytes, { what })).toBe(undefined)
    for (const wait of waiting) await expect(wait).rejects.toMatchObject({ code: 'busy' })
  })

  it('lets a step of an owner begin while requests of the same owner wait before it', async () => {
    const budget = makeBudget()
    const [body, other, step] = [budget.open('a', 'request'), budget.open('b'), budget.open('a')]
    expect([taken(body, 21), taken(other, 35)]).toEqual([true, true])
    const late = budget.open('a', 'request').add(2 * mib, { what, waitMs: 10 })
    const begin = step.add(20 * mib, { what })
    other.end()
    await begin
    await expect(late).rejects.toMatchObject({ code: 'busy' })
  })

  it('lets no request go beyond the budget for having waited: its client could keep that for as long as it likes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] })
    try {
      const budget = makeBudget()
      const [request, step] = [budget.open('a', 'request'), budget.open('b')]
      expect([taken(request, 21), taken(step, 35)]).toEqual([true, true])
      const wait = expect(request.add(mib, { what, waitMs: 10_000 })).rejects.toMatchObject({ code: 'busy' })
      await vi.advanceTimersByTimeAsync(6_000)
      void budget.open('c').add(mib, { what }) // looks at all that wait
      await vi.advanceTimersByTimeAsync(5_000)
      await wait
    } finally {
      vi.useRealTimers()
    }
  })

  it('serves a share that grows before those that begin', async () => {
    const budget = makeBudget()
    const [grows, holds] = [budget.open('a'), budget.open('b')]
    expect([taken(grows, 20), taken(holds, 30)]).toEqual([true, true])
    const order: string[] = []
    const begins = budget
      .open('c')
      .add(20 * mib, { what })
      ?.then(() => order.push('begins'))
    const grown = grows.add(20 * mib, { what })?.then(() => order.push('grows'))
    holds.end()
    await grown
    grows.end()
    await begins
    expect(order).toEqual(['grows', 'begins'])
  })

  it('never stands still: of shares that all wait for more, one at a time goes beyond the budget', async () => {
    const budget = makeBudget()
    const shares = ['a', 'b'].map((owner) => budget.open(owner))
    for (const share of shares) expect(taken(share, 28)).toBe(true)
    const order: number[] = []
    const waits = shares.map((share, at) =>
      Promise.resolve(share.add(20 * mib, { what })).then(() => {
        order.push(at)
        share.end()
      }),
    )
    await Promise.all(waits)
    expect([order.length, budget.used, budget.waiting]).toEqual([2, 0, 0])
  })

  it('lets a share begin that is larger than what remembered values leave', () => {
    const budget = makeBudget()
    expect([budget.tryTake(14 * mib), budget.tryTake(1)]).toEqual([true, false])
    expect(taken(budget.open('a'), 56)).toBe(true)
    budget.give(14 * mib)
    expect(budget.used).toBe(56 * mib)
  })

  it('ends a wait with its signal, with its time and with its share, and counts nothing for it', async () => {
    const budget = makeBudget()
    const holder = budget.open('a')
    expect(taken(holder, 56)).toBe(true)
    const stop = new AbortController()
    const aborted = budget.open('b').add(10 * mib, { what, signal: stop.signal })
    const late = budget.open('c').add(10 * mib, { what, waitMs: 1 })
    const over = budget.open('d')
    const ended = over.add(10 * mib, { what })
    stop.abort(new Error('asked to end'))
    over.end()
    await expect(aborted).rejects.toThrow('asked to end')
    await expect(late).rejects.toMatchObject({ code: 'busy', retryAfterSeconds: 5 })
    await expect(ended).rejects.toMatchObject({ code: 'cancelled' })
    holder.end()
    expect([budget.used, budget.waiting]).toEqual([0, 0])
    expect([over.add(mib, { what }), budget.used]).toEqual([undefined, 0])
  })
})
