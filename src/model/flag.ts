import { z } from 'zod'

const yes = new Set(['true', '1', 'yes', 'on'])
const no = new Set(['false', '0', 'no', 'off', ''])

/** A boolean in any spelling that forms and queries use; false when omitted. */
export const flagSchema = z
  .union([z.boolean(), z.string(), z.number()], 'Expected true or false')
  .nullish()
  .transform((given, context): boolean => {
    const word = String(given ?? 'false').toLowerCase()
    if (yes.has(word)) return true
    if (no.has(word)) return false
    context.addIssue({ code: 'custom', message: 'Expected true or false' })
    return z.NEVER
  })
