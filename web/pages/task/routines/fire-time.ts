const format = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
})

/** The time of a fire in the zone of this person. */
export const fireTime = (moment: string): string => format.format(new Date(moment))
