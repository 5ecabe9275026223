import { makeLru } from '../lib/memory/lru.ts'

const windowMs = 60_000
const addressesKept = 10_000

/**
 * Address under which attempts are counted: for IPv6 the first 64 bits, since its owner has all addresses of that
 * prefix.
 */
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
 * Counts refused tokens by address in one-minute windows that start with the first one. Remembers the 10,000 addresses
 * that failed last. `limit` 0 disables it.
 */
export const makeAttempts = (limit: number, now: () => number = () => performance.now()) => {
  const windows = makeLru<string, { startedAt: number; failures: number }>(addressesKept)

  const begin = (address: string) => {
    const window = { startedAt: now(), failures: 0 }
    windows.set(address, window)
    return window
  }

  return {
    /** Counts a failure. Returns the whole seconds to wait when the limit was reached before, else 0. */
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
