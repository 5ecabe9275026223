const windowMs = 60_000
const addressesKept = 10_000

/** What is counted as one address: of IPv6 the first 64 bits, since whoever has one of those has all behind it. */
export const addressOf = (remote: string): string => {
  const plain = remote.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::', 2)
  const left = head === '' ? [] : head.split(':')
  const right = tail ? tail.split(':') : []
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}

/**
 * Counts refused tokens by address, in windows of a minute that begin with the first one. It remembers the newest
 * 10,000 addresses. `limit` 0: it counts nothing.
 */
export const makeAttempts = (limit: number, now: () => number = () => performance.now()) => {
  const windows = new Map<string, { startedAt: number; failures: number }>()

  const begin = (address: string) => {
    const window = { startedAt: now(), failures: 0 }
    windows.delete(address) // so that the map stays in the order of beginnings
    windows.set(address, window)
    if (windows.size > addressesKept) windows.delete(windows.keys().next().value as string)
    return window
  }

  return {
    /** Notes a failure. The whole seconds to wait where there were too many before it, else 0. */
    failed(remote: string): number {
      if (limit === 0) return 0
      const address = addressOf(remote)
      const known = windows.get(address)
      const window = known && now() - known.startedAt < windowMs ? known : begin(address)
      window.failures++
      return window.failures <= limit ? 0 : Math.max(1, Math.ceil((window.startedAt + windowMs - now()) / 1000))
    },
    get size() {
      return windows.size
    },
  }
}
