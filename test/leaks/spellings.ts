/** Values shorter than this are not struck out of what is recorded, by contract. */
export const shortestSecret = 6

const insideJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/** The letters of a base64 text that depend on the value alone, with 0, 1 or 2 bytes before it and anything behind. */
const base64At = (value: string, before: number): string => {
  const padded = Buffer.concat([Buffer.alloc(before), Buffer.from(value)])
  const letters = padded.toString('base64').replace(/=+$/, '')
  const first = Math.ceil((before * 8) / 6)
  const last = Math.floor((padded.length * 8) / 6)
  return letters.slice(first, last)
}

/** A value as it is, and as JSON, JSON in JSON, URLs, forms and base64 write it; each with a word that says which. */
export const spellingsOf = (value: string): [kind: string, text: string][] => {
  const json = insideJson(value)
  const url = encodeURIComponent(value.replace(/[\uD800-\uDFFF]/gu, ''))
  const base64 = [0, 1, 2].map((before) => base64At(value, before))
  const all: [string, string][] = [
    ['plain', value],
    ['JSON', json],
    ['JSON', insideJson(json)],
    ['URL', url],
    ['URL', url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())],
    ['form', new URLSearchParams([['', value]]).toString().slice(1)],
    ...base64.map((text): [string, string] => ['base64', text]),
    ...base64.map((text): [string, string] => ['base64url', text.replaceAll('+', '-').replaceAll('/', '_')]),
  ]
  // Where two are the same, the first one gives its name.
  return [...new Map(all.reverse().map(([kind, text]) => [text, kind])).entries()]
    .filter(([text]) => text.length >= shortestSecret)
    .map(([text, kind]) => [kind, text])
}

const blockLength = 3
const tableSize = 1 << 16

const hashAt = (text: string, end: number): number =>
  (text.charCodeAt(end) ^ (text.charCodeAt(end - 1) << 5) ^ (text.charCodeAt(end - 2) << 10)) & (tableSize - 1)

/** A window that is longer than this is stepped over hardly faster. */
const longestWindow = 32

/**
 * Looks for many texts of at least `shortestSecret` characters at once, after Wu and Manber: a haystack is passed over once
 * in steps, however many texts there are, since the characters at the end of a window say how far it is to the next one
 * that could hold a text. The window is as long as the shortest text.
 */
export const finderOf = (texts: readonly string[]): ((haystack: string) => Set<string>) => {
  const window = texts.reduce((shortest, { length }) => Math.min(shortest, length), longestWindow)
  const steps = new Uint8Array(tableSize).fill(window - blockLength + 1)
  const ending = new Map<number, string[]>()
  for (const text of texts) {
    for (let end = blockLength - 1; end < window; end++) {
      const hash = hashAt(text, end)
      steps[hash] = Math.min(steps[hash] ?? 0, window - 1 - end)
    }
    const last = hashAt(text, window - 1)
    ending.set(last, [...(ending.get(last) ?? []), text])
  }
  return (haystack) => {
    const found = new Set<string>()
    for (let end = window - 1; end < haystack.length; ) {
      const hash = hashAt(haystack, end)
      const step = steps[hash] ?? 0
      if (step === 0) {
        const start = end - window + 1
        for (const text of ending.get(hash) ?? []) if (haystack.startsWith(text, start)) found.add(text)
      }
      end += step || 1
    }
    return found
  }
}
