/**
 * Reads the wait that an answer's headers ask for, in seconds: a number, a date, or OpenAI's milliseconds; undefined
 * without one.
 */
export const retryAfterSeconds = (headers: Record<string, string>, nowMs = Date.now()): number | undefined => {
  const milliseconds = headers['retry-after-ms']
  if (milliseconds !== undefined && /^\d{1,9}$/.test(milliseconds)) return Number(milliseconds) / 1000
  const value = headers['retry-after']?.trim()
  if (value === undefined || value === '') return undefined
  if (/^\d{1,6}(\.\d+)?$/.test(value)) return Number(value)
  const at = /[a-z]{3}/i.test(value) ? Date.parse(value) : Number.NaN // Date.parse makes a date of '-5'
  return Number.isNaN(at) ? undefined : Math.max(0, (at - nowMs) / 1000)
}
