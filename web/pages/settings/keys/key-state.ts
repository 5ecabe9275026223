import type { Key } from '../../../../src/model/collections/key.ts'

type KeyState = 'valid' | 'expired' | 'off'

/** Whether the server takes a key now. */
export const keyState = ({ is_active, expires_at }: Pick<Key, 'is_active' | 'expires_at'>, now: number): KeyState => {
  if (!is_active) return 'off'
  return expires_at !== null && Date.parse(expires_at) <= now ? 'expired' : 'valid'
}

/** How long a key may be valid, as the form offers it: a browser session makes none that does not expire. */
export const expiryChoices = [
  ['7', '7 days'],
  ['30', '30 days'],
  ['90', '90 days'],
  ['day', 'until a day'],
] as const

export type ExpiryChoice = (typeof expiryChoices)[number][0]

const dayMs = 86_400_000

/**
 * The moment that a choice stands for. Undefined: the day is no date, or has passed. A key is valid until its day ends in
 * the place of the browser.
 */
export const expiryOf = (choice: ExpiryChoice, day: string, now: number): string | undefined => {
  if (choice !== 'day') return new Date(now + Number(choice) * dayMs).toISOString()
  const end = new Date(`${day}T23:59:59`)
  return Number.isNaN(end.getTime()) || end.getTime() <= now ? undefined : end.toISOString()
}
