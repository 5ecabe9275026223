/**
 * Strikes secret values out of what is recorded. A value of at least six characters is found as it is, and as JSON,
 * URL and base64 write it; shorter ones would strike out ordinary words.
 */
export interface Scrubber {
  text(text: string): string
  /** The JSON text of a value with every secret in its strings, keys and numbers replaced by `***`. */
  json(value: unknown): string
  /** The same for a value that is already JSON text. */
  jsonText(text: string): string
}

const mask = '***'
const shortest = 6

export const makeScrubber = (secrets: string[]): Scrubber => {
  const forms = new Set(secrets.filter(isLong).flatMap(formsOf).filter(isLong))
  if (forms.size === 0) {
    return { text: (text) => text, json: (value) => JSON.stringify(value) ?? 'null', jsonText: (text) => text }
  }
  const find = makeFinder(forms)
  const holdsSecret = (text: string): boolean => find(text, 0) !== undefined
  const replace = (text: string): string => {
    let replaced = ''
    let from = 0
    for (let found = find(text, from); found; found = find(text, from)) {
      replaced += text.slice(from, found.start) + mask
      from = found.end
    }
    return replaced + text.slice(from)
  }
  const deep = (value: unknown): unknown => {
    if (typeof value === 'string') return replace(value)
    if (typeof value === 'number') return holdsSecret(String(value)) ? mask : value
    if (Array.isArray(value)) return value.map(deep)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [replace(key), deep(item)]))
  }
  const jsonText = (text: string) => (holdsSecret(text) ? JSON.stringify(deep(JSON.parse(text))) : text)
  return { text: replace, json: (value) => jsonText(JSON.stringify(value) ?? 'null'), jsonText }
}

const isLong = (text: string): boolean => text.length >= shortest

/**
 * Finds the first of some texts from a place on, the longest where several begin there. They are looked for by how they
 * begin: a pattern of whole secrets is refused above some 64 KiB, in a message that quotes them.
 */
const makeFinder = (forms: Iterable<string>) => {
  const byStart = new Map<string, string[]>()
  for (const form of [...forms].sort((left, right) => right.length - left.length)) {
    const start = form.slice(0, shortest)
    const same = byStart.get(start)
    if (same) same.push(form)
    else byStart.set(start, [form])
  }
  const starts = [...byStart.keys()].map((start) => start.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  const pattern = new RegExp(starts.join('|'), 'g')
  return (text: string, from: number): { start: number; end: number } | undefined => {
    pattern.lastIndex = from
    for (let hit = pattern.exec(text); hit; hit = pattern.exec(text)) {
      const start = hit.index
      const form = byStart.get(hit[0])?.find((one) => text.startsWith(one, start))
      if (form !== undefined) return { start, end: start + form.length }
      pattern.lastIndex = start + 1
    }
    return undefined
  }
}

const insideJson = (text: string): string => JSON.stringify(text).slice(1, -1)

const formsOf = (secret: string): string[] => {
  const once = insideJson(secret)
  return [secret, once, insideJson(once), encodeURIComponent(wellFormed(secret)), ...base64Forms(secret)]
}

const wellFormed = (text: string): string => text.replace(/[\uD800-\uDFFF]/g, '')

/** Base64 of a text that has 0, 1 or 2 bytes before it and any after: the letters that only depend on the secret. */
const base64Forms = (secret: string): string[] =>
  [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    const whole = bytes.toString('base64').replace(/=+$/, '')
    const from = before === 0 ? 0 : before + 1
    const to = bytes.length % 3 === 0 ? whole.length : whole.length - 1
    const form = whole.slice(from, to)
    return form.length < shortest ? [] : [form, form.replaceAll('+', '-').replaceAll('/', '_')]
  })
