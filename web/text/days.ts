const dayMs = 86_400_000

/** Each day from the first to the last, as `2026-11-28`. */
export const everyDay = (from: string, to: string): string[] => {
  const days: string[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += dayMs) days.push(new Date(at).toISOString().slice(0, 10))
  return days
}

/** The first of so many days (UTC) that end now. */
export const firstDay = (days: number, now: number): string =>
  new Date(now - (days - 1) * dayMs).toISOString().slice(0, 10)
