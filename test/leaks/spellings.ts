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
