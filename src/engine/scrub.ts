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

/** Characters that are looked at together. */
const blockLength = 3
/** Of longer texts only so much of the beginning is used to leap: a leap is one byte in the table. */
const longestWindow = 64

/** A block as a number of so many bits. */
const blockHash = (text: string, at: number, bits: number): number =>
  Math.imul(
    text.charCodeAt(at) + (text.charCodeAt(at + 1) << 7) + (text.charCodeAt(at + 2) << 14),
    0x9e3779b1, // Knuth's multiplicative hash
  ) >>>
  (32 - bits)

/** As many that most blocks of other texts are not taken for one of ours; a table is made for every run with secrets. */
const hashBits = (blocks: number): number => Math.min(16, Math.max(10, Math.ceil(Math.log2(blocks * 8))))

/**
 * Finds the first of some texts from a place on, the longest where several begin there. This is the algorithm of Wu and
 * Manber: the window that the shortest text would fill is looked at from its end, and where its last characters stand in
 * no text it leaps over all of them. So a megabyte is looked through in a fraction of a millisecond, and secrets may be
 * many, and of any length.
 */
const makeFinder = (forms: ReadonlySet<string>) => {
  const longestFirst = [...forms].sort((left, right) => right.length - left.length)
  const window = Math.min(longestWindow, longestFirst.at(-1)?.length ?? shortest)
  const lastBlock = window - blockLength
  const bits = hashBits(forms.size * (lastBlock + 1))
  const leaps = new Uint8Array(2 ** bits).fill(lastBlock + 1)
  const byStart = new Map<string, string[]>()
  for (const form of longestFirst) {
    const start = form.slice(0, shortest)
    const same = byStart.get(start)
    if (same) same.push(form)
    else byStart.set(start, [form])
    for (let at = 0; at <= lastBlock; at++) {
      const hash = blockHash(form, at, bits)
      leaps[hash] = Math.min(leaps[hash] ?? 0, lastBlock - at)
    }
  }
  return (text: string, from: number): { start: number; end: number } | undefined => {
    const last = text.length - blockLength
    for (let at = from + lastBlock; at <= last; ) {
      const leap = leaps[blockHash(text, at, bits)] ?? 0
      if (leap === 0) {
        const start = at - lastBlock
        const form = byStart.get(text.slice(start, start + shortest))?.find((one) => text.startsWith(one, start))
        if (form !== undefined) return { start, end: start + form.length }
        at++
      } else at += leap
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
