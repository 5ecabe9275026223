const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** Delay of each attempt after the previous one; none before the first. */
const waits = [0, 5 * second, 30 * second, 2 * minute, 10 * minute, hour, 6 * hour, 24 * hour]

/** Time of the next attempt after that many failures, in milliseconds; null: never. */
export const retryAt = (failures: number, nowMs: number): number | null => {
  const wait = waits[failures]
  return wait === undefined ? null : nowMs + wait
}
