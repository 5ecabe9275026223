/** When routines run: words and rules, without the schemas, which a command line at its start does not load. */

export const cadenceTypes = ['manual', 'hourly', 'daily', 'weekdays', 'weekly', 'cron'] as const
export const daysOfWeek = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** What becomes of a fire while a run of the routine is active. */
export const overlaps = ['skip', 'queue', 'allow'] as const
export type Overlap = (typeof overlaps)[number]

/** Which of the fires that were missed are made up for. */
export const catchUps = ['none', 'last', 'all'] as const
export type CatchUp = (typeof catchUps)[number]

/**
 * When a routine fires; which members each type takes is said by `cadenceMembers`. No interface: it stands where objects
 * with further members are taken.
 */
export type Cadence = {
  type: (typeof cadenceTypes)[number]
  minute_utc?: number
  hour_utc?: number
  day_of_week?: (typeof daysOfWeek)[number]
  /** Five fields, or a name such as `@daily`. */
  expression?: string
  /** IANA name; `UTC` where it is left out. */
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

/** A cadence as it comes in; null counts as left out. */
interface Given {
  type: Cadence['type']
}

const membersOf = (given: object): [string, unknown][] =>
  Object.entries(given).filter(([name, value]) => name !== 'type' && value !== null && value !== undefined)

/** What is wrong with the members of a cadence; undefined where nothing is. */
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

/** A cadence as it is kept: without what was given as null. */
export const keptCadence = (given: Given): Cadence => ({
  type: given.type,
  ...Object.fromEntries(membersOf(given)),
})
