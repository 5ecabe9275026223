/**
 * The owner of work. Collections that one key has made share a payer, and together they have the share of one
 * (docs/decisions/0129-shares-belong-to-payers.md). A collection that the operator made pays for itself: its payer is its own id.
 */
export interface Owner {
  readonly payer: number | string
  readonly collectionId: number
}

/**
 * A queue that takes one item of each payer in turn, and of a payer one item of each of its collections in turn. The
 * items of one collection stay in order.
 */
export interface FairQueue<Item> {
  add(owner: Owner, item: Item): void
  /** The next item in turn. */
  next(): Item | undefined
  /** Removes the next item in turn. */
  take(): Item | undefined
  /** The collection that is next of each payer, in the order of their turns. */
  payers(): Iterable<Owner>
  /** The first item of each collection, in the order of their turns. */
  heads(): Iterable<{ owner: Owner; item: Item }>
  /** The first item of a collection. */
  nextOf(owner: Owner): Item | undefined
  /** Removes the first item of a collection, whose payer had its turn then. */
  takeOf(owner: Owner): Item | undefined
  /** Removes and returns the items that satisfy the predicate. */
  remove(satisfies: (item: Item) => boolean): Item[]
  /** Whether an item of the collection waits. */
  has(owner: Owner): boolean
  /** Number of items of a payer. */
  countOf(payer: Owner['payer']): number
  /** All items, collection by collection. */
  items(): Iterable<Item>
  readonly size: number
}

/** Items of one collection. Those before `head` were removed. */
interface Lane<Item> {
  owner: Owner
  items: Item[]
  head: number
}

type Lanes<Item> = Map<number, Lane<Item>>

/** Removed items that a lane keeps before it is shortened: `shift` on a long array moves all items each time. */
const mostTaken = 1_024

const firstOf = <Value>(map: Map<unknown, Value>): Value | undefined => {
  for (const value of map.values()) return value
  return undefined
}

/** Moves an entry behind the others. */
const rotate = <Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void => {
  if (map.size === 1) return
  map.delete(key)
  map.set(key, value)
}

export const makeFairQueue = <Item>(): FairQueue<Item> => {
  /** The lanes of each payer. Payers and their lanes are in the order of their turns. */
  const payers = new Map<Owner['payer'], Lanes<Item>>()
  let size = 0

  const takeFrom = ({ owner: { payer, collectionId } }: Lane<Item>, lanes: Lanes<Item>): Item | undefined => {
    const lane = lanes.get(collectionId) as Lane<Item>
    const item = lane.items[lane.head++]
    size--
    if (lane.head > mostTaken) {
      lane.items.splice(0, lane.head)
      lane.head = 0
    }
    if (lane.head < lane.items.length) rotate(lanes, collectionId, lane)
    else lanes.delete(collectionId)
    if (lanes.size > 0) rotate(payers, payer, lanes)
    else payers.delete(payer)
    return item
  }

  return {
    add(owner, item) {
      size++
      let lanes = payers.get(owner.payer)
      if (!lanes) {
        lanes = new Map()
        payers.set(owner.payer, lanes)
      }
      const lane = lanes.get(owner.collectionId)
      if (lane) lane.items.push(item)
      else lanes.set(owner.collectionId, { owner, items: [item], head: 0 })
    },
    next() {
      const lanes = firstOf(payers)
      const lane = lanes && firstOf(lanes)
      return lane?.items[lane.head]
    },
    take() {
      const lanes = firstOf(payers)
      const lane = lanes && firstOf(lanes)
      return lane && takeFrom(lane, lanes)
    },
    *payers() {
      for (const lanes of payers.values()) {
        const lane = firstOf(lanes)
        if (lane) yield lane.owner
      }
    },
    *heads() {
      for (const lanes of payers.values()) {
        for (const { owner, items, head } of lanes.values()) yield { owner, item: items[head] as Item }
      }
    },
    nextOf({ payer, collectionId }) {
      const lane = payers.get(payer)?.get(collectionId)
      return lane?.items[lane.head]
    },
    takeOf({ payer, collectionId }) {
      const lanes = payers.get(payer)
      const lane = lanes?.get(collectionId)
      return lanes && lane && takeFrom(lane, lanes)
    },
    remove(satisfies) {
      const removed: Item[] = []
      for (const [payer, lanes] of payers) {
        for (const [collectionId, lane] of lanes) {
          const kept: Item[] = []
          for (const item of lane.items.slice(lane.head)) (satisfies(item) ? removed : kept).push(item)
          if (kept.length === 0) lanes.delete(collectionId)
          else Object.assign(lane, { items: kept, head: 0 })
        }
        if (lanes.size === 0) payers.delete(payer)
      }
      size -= removed.length
      return removed
    },
    has: ({ payer, collectionId }) => payers.get(payer)?.has(collectionId) ?? false,
    countOf(payer) {
      let sum = 0
      for (const { items, head } of payers.get(payer)?.values() ?? []) sum += items.length - head
      return sum
    },
    *items() {
      for (const lanes of payers.values()) for (const { items, head } of lanes.values()) yield* items.slice(head)
    },
    get size() {
      return size
    },
  }
}
