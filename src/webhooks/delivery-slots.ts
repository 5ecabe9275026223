/** Deliveries of this process that are under way, limited in total and for each collection. */
interface DeliverySlots {
  /** Number of deliveries that may begin now. */
  readonly free: number
  /** Maximum concurrent deliveries of one collection. */
  readonly ofCollection: number
  /** Collections with as many deliveries as they may have. */
  fullCollections(): number[]
  hasRoom(collectionId: number): boolean
  /** Counts a delivery until its promise settles. */
  track(work: Promise<void>, collectionId: number): Promise<void>
  /** Resolves when all deliveries have settled. */
  settled(): Promise<void>
}

/** `onFree` is called whenever a delivery has settled. */
export const makeDeliverySlots = (concurrency: number, onFree: () => void): DeliverySlots => {
  const underWay = new Map<Promise<void>, number>()
  const ofCollection = Math.max(1, Math.floor(concurrency / 4))
  const fullCollections = (): number[] => {
    const counts = new Map<number, number>()
    for (const id of underWay.values()) counts.set(id, (counts.get(id) ?? 0) + 1)
    return [...counts].filter(([, count]) => count >= ofCollection).map(([id]) => id)
  }
  return {
    get free() {
      return Math.max(0, concurrency - underWay.size)
    },
    ofCollection,
    fullCollections,
    hasRoom: (collectionId) => underWay.size < concurrency && !fullCollections().includes(collectionId),
    track(work, collectionId) {
      const settled = work.finally(() => {
        underWay.delete(settled)
        onFree()
      })
      underWay.set(settled, collectionId)
      return settled
    },
    async settled() {
      await Promise.allSettled(underWay.keys())
    },
  }
}
