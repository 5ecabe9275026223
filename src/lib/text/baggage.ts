const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Texts in messages are cut to this many characters. */
const shownCharacters = 60

/** A member that cannot be read; the message says which one and why. */
export class BaggageError extends Error {}

/** Everything else must be percent-encoded: bytes of a header have no encoding. */
const isAscii = /^[\t\x20-\x7e]*$/

const fault = (member: string, expected: string): BaggageError =>
  new BaggageError(`'${member.trim().slice(0, shownCharacters)}' ${expected}`)

/**
 * Reads a list of `key=value` members, as the header `baggage` of W3C has them: separated by commas, keys and values
 * percent-encoded. Properties after a semicolon are ignored, and the last value of a key counts. Throws BaggageError.
 *
 * @example parseBaggage('user=u-17,team=R%26D') // Map { 'user' => 'u-17', 'team' => 'R&D' }
 */
export const parseBaggage = (text: string): Map<string, string> => {
  const values = new Map<string, string>()
  for (const member of text.split(',')) {
    const [pair = ''] = member.split(';', 1)
    if (pair.trim() === '') continue
    const at = pair.indexOf('=')
    if (at < 0) throw fault(member, 'has no "="')
    const key = decoded(pair.slice(0, at).trim())
    const value = decoded(pair.slice(at + 1).trim())
    if (key === undefined || value === undefined || !isAscii.test(pair)) {
      throw fault(member, 'is not percent-encoded UTF-8')
    }
    if (key === '') throw fault(member, 'has no key before "="')
    values.set(key, value)
  }
  return values
}
