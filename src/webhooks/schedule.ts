const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** How long an attempt waits after the one before it; the first one for nothing. */
const waits = [0, 5 * second, 30 * second, 2 * minute, 10 * minute, hour, 6 * hour, 24 * hour]

/** When a delivery that has failed so many times is tried again, in milliseconds; null: never. */
export const retryAt = (failures: number, nowMs: number): number | null => {
  const wait = waits[failures]
  return wait === undefined ? null : nowMs + wait
}
