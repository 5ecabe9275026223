import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { Owner } from '../fair-queue.ts'
import { type ByteBudget, makeByteBudget, type Share, type ShareKind, smallShareBytes } from './byte-budget.ts'

const mib = 1024 * 1024
const wait = { what: 'The test', waitMs: 60_000 }
const minute = 60_000

/** 64 MiB: 8 for small shares, 7 for caches, 28 for the common part, of which one payer has 21. The elder has the rest. */
const makeBudget = () => makeByteBudget(64 * mib)

const self = (id: number): Owner => ({ payer: id, collectionId: id })
const made = (collectionId: number): Owner => ({ payer: 1, collectionId })

const taken = (share: Share, size: number): boolean => share.add(size * mib, wait) === undefined

/** A share that holds so many MiB. */
const holding = (budget: ByteBudget, owner: Owner, size: number, kind?: ShareKind): Share => {
  const share = budget.open(owner, kind)
  expect(taken(share, size)).toBe(true)
  return share
}

describe('the memory budget', () => {
  it('gives at once what there is room for, and lets others wait until something is given back', async () => {
    const budget = makeBudget()
    const one = holding(budget, self(1), 18)
    holding(budget, self(2), 10)
    holding(budget, self(3), 28) // as the elder
    const last = budget.open(self(4)).add(20 * mib, wait)
    expect([budget.used, budget.waiting]).toEqual([56 * mib, 1])
    one.end()
    expect([budget.used, budget.waiting]).toEqual([38 * mib, 1])
    holding(budget, self(5), 1)
    budget.open(self(6)).end()
    expect(budget.waits()).toMatchObject([{ what: 'The test', owner: self(4), bytes: 20 * mib, heldBytes: 0 }])
    await Promise.race([last, Promise.resolve()])
  })

  it('refuses what could never fit, in words that say what to do', () => {
    const budget = makeBudget()
    const message = 'The test needs 50 MiB of memory at once; at most 49 MiB'
    expect(() => budget.open(self(1)).add(50 * mib, wait)).toThrow(message)
    expect(() => budget.open(self(1), 'parent').add(29 * mib, wait)).toThrow('at most 28 MiB')
  })

  it('keeps room for small shares, also while large ones wait', () => {
    const budget = makeBudget()
    holding(budget, self(1), 28)
    holding(budget, self(2), 28)
    void budget.open(self(3)).add(40 * mib, wait)
    for (let small = 10; small < 18; small++) holding(budget, self(small), 1)
    expect(budget.open(self(20)).add(smallShareBytes, wait)).toBeInstanceOf(Promise)
    expect(budget.used).toBe(64 * mib)
  })

  it('lets payers take turns, and of a payer its collections', async () => {
    const budget = makeBudget()
    const all = holding(budget, self(50), 49)
    const order: string[] = []
    const ask = (owner: Owner, name: string) => {
      const share = budget.open(owner)
      return share.add(30 * mib, wait)?.then(() => {
        order.push(name)
        share.end()
      })
    }
    const collections = Array.from({ length: 120 }, (_, at) => ask(made(at + 2), `a${at + 2}`))
    const waits = [...collections, ask(made(2), 'a2 again'), ask(self(200), 'b1'), ask(self(200), 'b2')]
    all.end()
    await Promise.all(waits)
    expect(order.slice(0, 5)).toEqual(['a2', 'b1', 'a3', 'b2', 'a4'])
    expect(order.at(-1)).toBe('a2 again')
  })

  it('leaves a quarter to the others, however many collections one payer has', () => {
    const budget = makeBudget()
    for (let at = 2; at < 9; at++) holding(budget, made(at), 3)
    holding(budget, made(9), 3) // beyond what the payer may have, as the elder
    for (let at = 10; at < 130; at++) expect(budget.open(made(at)).add(3 * mib, wait)).toBeInstanceOf(Promise)
    holding(budget, self(500), 6)
  })

  it('leaves the steps of a payer what its requests may not take', async () => {
    const budget = makeBudget()
    const bodies = [7, 7, 7].map((size) => budget.open(self(1), 'request').add(size * mib, { ...wait, waitMs: 1 }))
    const [held, ...waiting] = bodies
    expect(held).toBe(undefined)
    holding(budget, self(1), 7)
    holding(budget, self(1), 7)
    expect(budget.open(self(1), 'request').add(smallShareBytes, wait)).toBe(undefined)
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'busy', retryAfterSeconds: 5 })
  })

  it('lets no request be the elder: its client could keep that for as long as it likes', async () => {
    const budget = makeBudget()
    const request = holding(budget, self(1), 20, 'request')
    holding(budget, self(2), 8)
    const growing = request.add(mib, { ...wait, waitMs: 1 })
    expect(growing).toBeInstanceOf(Promise)
    holding(budget, self(3), 20)
    await expect(growing).rejects.toMatchObject({ code: 'busy' })
  })

  it('keeps half of the common part for the runs that parents wait for', () => {
    const budget = makeBudget()
    holding(budget, self(1), 7, 'parent')
    holding(budget, self(2), 7, 'parent')
    expect(budget.open(self(3), 'parent').add(7 * mib, wait)).toBeInstanceOf(Promise)
    holding(budget, self(4), 14)
  })

  it('lets one share at a time grow beyond the common part, so that shares which all want more come to their ends', async () => {
    const budget = makeBudget()
    const shares = [1, 2, 3, 4].map((id) => holding(budget, self(id), 7))
    const order: number[] = []
    const grown = shares.map(async (share, at) => {
      await share.add(20 * mib, wait)
      order.push(at)
      share.end()
    })
    await Promise.all(grown)
    expect([order, budget.used, budget.waiting]).toEqual([[0, 1, 2, 3], 0, 0])
  })

  it('ends the wait of the youngest where every share waits for another', async () => {
    const budget = makeBudget()
    const [first, second] = [holding(budget, self(1), 14), holding(budget, self(2), 14)]
    const [older, younger] = [first.add(34 * mib, wait), second.add(34 * mib, wait)]
    await expect(younger).rejects.toMatchObject({ code: 'busy' })
    second.end()
    await older
    expect(budget.used).toBe(48 * mib)
  })

  it('remembers values only in the part for them', () => {
    const budget = makeBudget()
    expect([budget.tryTake(7 * mib), budget.tryTake(1)]).toEqual([true, false])
    holding(budget, self(1), 49)
    budget.give(7 * mib)
    expect(budget.used).toBe(49 * mib)
  })

  it('ends a wait with its signal, with its time and with its share, and counts nothing for it', async () => {
    const budget = makeBudget()
    const holder = holding(budget, self(1), 49)
    const stop = new AbortController()
    const aborted = budget.open(self(2)).add(10 * mib, { ...wait, signal: stop.signal })
    const late = budget.open(self(3)).add(10 * mib, { ...wait, waitMs: 1 })
    const over = budget.open(self(4))
    const ended = over.add(10 * mib, wait)
    stop.abort(new Error('asked to end'))
    over.end()
    await expect(aborted).rejects.toThrow('asked to end')
    await expect(late).rejects.toMatchObject({ code: 'busy', retryAfterSeconds: 5 })
    await expect(ended).rejects.toMatchObject({ code: 'cancelled' })
    holder.end()
    expect([budget.used, budget.waiting]).toEqual([0, 0])
    expect([over.add(mib, wait), budget.used]).toEqual([undefined, 0])
  })

  it('lets the time of a step count once it is the next of its collection', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const budget = makeBudget()
      const holder = holding(budget, self(1), 49)
      const ends: string[] = []
      const ask = (owner: Owner, name: string) => {
        const share = budget.open(owner)
        share.add(30 * mib, wait)?.then(
          () => ends.push(`${name} begins`),
          () => ends.push(`${name} gives up`),
        )
        return share
      }
      const first = ask(self(2), 'a')
      ask(self(2), 'b')
      await vi.advanceTimersByTimeAsync(0.9 * minute)
      holder.end()
      await vi.advanceTimersByTimeAsync(0.9 * minute)
      expect(ends).toEqual(['a begins'])
      await vi.advanceTimersByTimeAsync(0.2 * minute)
      expect(ends).toEqual(['a begins', 'b gives up'])
      first.end()
    } finally {
      vi.useRealTimers()
    }
  })
})

interface Held {
  share: Share
  stop: AbortController
  pending: number
  isOver: boolean
}

/** What a program of shares may do next. Numbers choose a share and a size. */
const action = fc.record({
  what: fc.constantFrom('open', 'take', 'take', 'take', 'give', 'end', 'abort', 'remember', 'forget'),
  payer: fc.integer({ min: 1, max: 4 }),
  collection: fc.integer({ min: 0, max: 2 }),
  kind: fc.constantFrom<ShareKind>('step', 'step', 'parent', 'request'),
  which: fc.nat(40),
  size: fc.oneof(fc.integer({ min: 1, max: 2 * mib }), fc.integer({ min: mib, max: 49 * mib })),
})

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('in any order of taking, growing, giving back, ending and aborting', () => {
  it('no more is used than there is, some holder can always go on, and every wait comes to an end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 120 }), async (actions) => {
        const budget = makeBudget()
        const all: Held[] = []
        let remembered = 0
        const look = () => {
          const open = all.filter(({ isOver }) => !isOver)
          const held = open.reduce((sum, { share }) => sum + share.bytes, 0)
          expect(budget.used).toBe(held + remembered)
          expect(budget.used).toBeLessThanOrEqual(budget.total)
          expect(budget.waiting).toBe(open.reduce((sum, { pending }) => sum + pending, 0))
          const holders = open.filter(({ share }) => share.bytes > 0)
          const waiters = open.filter(({ pending }) => pending > 0)
          // Where somebody waits, somebody who holds memory, or a value that is remembered, is in the way and can go.
          if (waiters.length > 0) expect(holders.some(({ pending }) => pending === 0) || remembered > 0).toBe(true)
        }
        const end = (held: Held) => {
          held.isOver = true
          held.share.end()
        }
        for (const { what, payer, collection, kind, which, size } of actions) {
          const held = all[which % Math.max(1, all.length)]
          if (what === 'open' || !held) {
            const collectionId = collection === 0 ? payer : payer * 10 + collection
            const share = budget.open({ payer, collectionId }, kind)
            all.push({ share, stop: new AbortController(), pending: 0, isOver: false })
          } else if (what === 'take' && !held.isOver && !held.stop.signal.aborted) {
            try {
              const waits = held.share.add(size, { ...wait, signal: held.stop.signal })
              if (waits) {
                held.pending++
                const settle = () => void held.pending--
                waits.then(settle, settle)
              }
            } catch (error) {
              expect(error).toMatchObject({ code: 'too_large' })
            }
          } else if (what === 'give') held.share.giveBack(size)
          else if (what === 'end') end(held)
          else if (what === 'abort') held.stop.abort()
          else if (what === 'remember' && budget.tryTake(size)) remembered += size
          else if (what === 'forget' && remembered > 0) {
            budget.give(remembered)
            remembered = 0
          }
          await settled()
          look()
        }
        budget.give(remembered)
        remembered = 0
        // No time passes: whoever has what it asked for ends, one after the other, and so everybody does.
        for (
          let left = all.filter(({ isOver }) => !isOver);
          left.length > 0;
          left = all.filter(({ isOver }) => !isOver)
        ) {
          await settled()
          look()
          const able = left.find(({ pending }) => pending === 0)
          expect(able).toBeDefined()
          if (able) end(able)
        }
        await settled()
        expect([budget.used, budget.waiting]).toEqual([0, 0])
      }),
      { numRuns: 300 },
    )
  })
})
