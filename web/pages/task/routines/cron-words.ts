import cronstrue from 'cronstrue'

/** Puts a cron expression into words; one that it cannot read stays as it is. */
export const cronWords = (expression: string): string => {
  try {
    return cronstrue.toString(expression, { use24HourTimeFormat: true, throwExceptionOnParseError: true })
  } catch {
    return expression
  }
}
