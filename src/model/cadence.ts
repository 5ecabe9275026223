/** Cadences of routines without zod schemas, so that the command line starts without loading them. */

export const cadenceTypes = ['manual', 'hourly', 'daily', 'weekdays', 'weekly', 'cron'] as const
export const daysOfWeek = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** Treatment of a fire while a run of the routine is active. */
export const overlaps = ['skip', 'queue', 'allow'] as const
export type Overlap = (typeof overlaps)[number]

/** Which missed fires are caught up. */
export const catchUps = ['none', 'last', 'all'] as const
export type CatchUp = (typeof catchUps)[number]

/**
 * When a routine fires; `cadenceMembers` says which members each type uses. A type alias, since interfaces are not
 * assignable to objects with further members.
 */
export type Cadence = {
  type: (typeof cadenceTypes)[number]
  minute_utc?: number
  hour_utc?: number
  day_of_week?: (typeof daysOfWeek)[number]
  /** Five cron fields, or a name such as `@daily`. */
  expression?: string
  /** IANA time zone; default `UTC`. */
  time_zone?: string
}

const cadenceMembers: Record<Cadence['type'], { required: string[]; optional: string[] }> = {
  manual: { required: [], optional: [] },
  hourly: { required: [], optional: ['minute_utc'] },
  daily: { required: ['hour_utc'], optional: ['minute_utc'] },
  weekdays: { required: ['hour_utc'], optional: ['minute_utc'] },
  weekly: { required: ['day_of_week', 'hour_utc'], optional: ['minute_utc'] },
  cron: { required: ['expression'], optional: ['time_zone'] },
}

/** A cadence as received; null counts as omitted. */
interface Given {
  type: Cadence['type']
}

const membersOf = (given: object): [string, unknown][] =>
  Object.entries(given).filter(([name, value]) => name !== 'type' && value !== null && value !== undefined)

/** Describes what is wrong with a cadence's members; undefined when nothing is. */
export const cadenceFault = (given: Given): string | undefined => {
  const { required, optional } = cadenceMembers[given.type]
  const names = membersOf(given).map(([name]) => name)
  const surplus = names.filter((name) => ![...required, ...optional].includes(name))
  const missing = required.filter((name) => !names.includes(name))
  const takes = [...required, ...optional].join(', ') || 'nothing but its type'
  if (surplus.length > 0) return `Cadence '${given.type}' does not take ${surplus.join(', ')}; it takes ${takes}`
  if (missing.length > 0) return `Cadence '${given.type}' needs ${missing.join(' and ')}`
  return undefined
}

/** Normalizes a cadence for storage: removes nulls. */
export const keptCadence = (given: Given): Cadence => ({
  type: given.type,
  ...Object.fromEntries(membersOf(given)),
})
