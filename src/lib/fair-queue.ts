/** A queue that takes one item of each owner in turn. The items of one owner stay in order. */
interface FairQueue<Item> {
  add(owner: number, item: Item): void
  /** The next item in turn. */
  next(): Item | undefined
  /** Removes the next item in turn. */
  take(): Item | undefined
  /** Removes and returns the items that satisfy the predicate. */
  remove(satisfies: (item: Item) => boolean): Item[]
  has(owner: number): boolean
  readonly size: number
}

/** Items of one owner. Those before `head` were removed. */
interface Lane<Item> {
  items: Item[]
  head: number
}

/** Removed items that a lane keeps before it is shortened: `shift` on a long array moves all items each time. */
const mostTaken = 1_024

export const makeFairQueue = <Item>(): FairQueue<Item> => {
  /** Lanes in queue order. */
  const lanes = new Map<number, Lane<Item>>()
  let size = 0

  const first = (): [number, Lane<Item>] | undefined => {
    for (const entry of lanes) return entry
    return undefined
  }

  return {
    add(owner, item) {
      size++
      const lane = lanes.get(owner)
      if (lane) lane.items.push(item)
      else lanes.set(owner, { items: [item], head: 0 })
    },
    next() {
      const lane = first()?.[1]
      return lane?.items[lane.head]
    },
    take() {
      const turn = first()
      if (!turn) return undefined
      const [owner, lane] = turn
      const item = lane.items[lane.head++]
      size--
      if (lane.head > mostTaken) {
        lane.items.splice(0, lane.head)
        lane.head = 0
      }
      const isEmpty = lane.head === lane.items.length
      if (isEmpty || lanes.size > 1) {
        lanes.delete(owner)
        if (!isEmpty) lanes.set(owner, lane)
      }
      return item
    },
    remove(satisfies) {
      const removed: Item[] = []
      for (const [owner, lane] of lanes) {
        const kept: Item[] = []
        for (const item of lane.items.slice(lane.head)) (satisfies(item) ? removed : kept).push(item)
        if (kept.length === 0) lanes.delete(owner)
        else lanes.set(owner, { items: kept, head: 0 })
      }
      size -= removed.length
      return removed
    },
    has: (owner) => lanes.has(owner),
    get size() {
      return size
    },
  }
}
