/** Name and value of a secret. */
export type Secret = readonly [name: string, value: string]

interface FoundSecret {
  start: number
  end: number
  name: string
}

/** Finds secrets in a text, in all common encodings. */
export interface SecretFinder {
  /** First match from a position on; the longest of several that start there. */
  find(text: string, from: number): FoundSecret | undefined
  /** Start of a trailing part that may be the beginning of a secret; the text's length when there is none. */
  begun(text: string, from: number): number
}

/** Shorter values would match ordinary words. */
const shortest = 6

const isLong = (text: string): boolean => text.length >= shortest

/** Encodings of the secrets, each with the secret's name; empty when no value is long enough. */
export const spellingsOf = (secrets: readonly Secret[]): ReadonlyMap<string, string> => {
  const spellings = new Map<string, string>()
  for (const [name, value] of secrets) {
    if (!isLong(value)) continue
    const values = [value, value.trim(), ...passwordsIn(value)]
    for (const one of new Set(values.filter(isLong).flatMap(formsOf))) {
      if (isLong(one) && !spellings.has(one)) spellings.set(one, name)
    }
  }
  return spellings
}

/**
 * The password in a connection URL, as it is written and as it is sent. One that is also the user or the database, as in
 * `postgres://postgres:postgres@localhost`, is an ordinary word.
 */
const passwordsIn = (value: string): string[] => {
  const text = value.trim()
  if (!/^[a-z][a-z\d+.-]*:\/\/[^/?#]*@/i.test(text) || !URL.canParse(text)) return []
  const { username, password, pathname } = new URL(text)
  if ([username, pathname.slice(1)].includes(password)) return []
  try {
    return [password, decodeURIComponent(password)]
  } catch {
    return [password]
  }
}

/** The spellings of secrets in Latin-1, one character for each byte, so that binary files can be searched as text. */
export const spellingsInBytes = (spellings: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  new Map([...spellings].map(([one, name]) => [Buffer.from(one).toString('latin1'), name]))

/** The value and its trimmed form: shells, among others, trim whitespace. */
const formsOf = (value: string): string[] => {
  const json = insideJson(value)
  const inUrl = encodeURIComponent(wellFormed(value))
  const inForm = new URLSearchParams({ '': value }).toString().slice(1)
  return [
    value,
    ...[json, insideJson(json), ...jsonOfOthers(json)],
    ...[inUrl, inUrl.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()), inForm],
    ...htmlForms(value),
    ...base64Forms(value),
  ]
}

const insideJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/** JSON spellings of encoders that escape more than necessary: PHP, Go, Gson and Python. */
const jsonOfOthers = (json: string): string[] => [
  json.replaceAll('/', '\\/'),
  json.replace(/[&<>]/g, inUnicode),
  json.replace(/[=+&<>]/g, inUnicode),
  json.replace(/[\u0080-\uffff]/g, inUnicode),
]

const inUnicode = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

const wellFormed = (text: string): string => text.replace(/[\uD800-\uDFFF]/g, '')

const htmlForms = (text: string): string[] => {
  const inText = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const inAttribute = inText.replaceAll('"', '&quot;')
  return [inText, inAttribute, inAttribute.replaceAll("'", '&#39;'), inAttribute.replaceAll("'", '&#x27;')]
}

/** Base64 of a text at offsets 0, 1 and 2: the characters that depend only on the secret. */
const base64Forms = (secret: string): string[] =>
  [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    const whole = bytes.toString('base64').replace(/=+$/, '')
    const from = before === 0 ? 0 : before + 1
    const to = bytes.length % 3 === 0 ? whole.length : whole.length - 1
    const form = whole.slice(from, to)
    return form.length < shortest ? [] : [form, form.replaceAll('+', '-').replaceAll('/', '_')]
  })

/** Characters of a hashed block. */
const blockLength = 3
/** Longer spellings are searched by this much of their beginning: a shift is one byte in the table. */
const longestWindow = 64

/** Hashes a block to that many bits. */
const blockHash = (first: number, second: number, third: number, bits: number): number =>
  Math.imul(
    first + (second << 7) + (third << 14),
    0x9e3779b1, // Knuth's multiplicative hash
  ) >>>
  (32 - bits)

/** Large enough that most blocks of other texts do not collide; a table is built for every run with secrets. */
const hashBits = (blocks: number): number => Math.min(16, Math.max(10, Math.ceil(Math.log2(blocks * 8))))

const groupedBy = (texts: readonly string[], keyOf: (text: string) => string): Map<string, string[]> => {
  const groups = new Map<string, string[]>()
  for (const text of texts) {
    const same = groups.get(keyOf(text))
    if (same) same.push(text)
    else groups.set(keyOf(text), [text])
  }
  return groups
}

interface SearchTable {
  /** Length of the window that is examined from its end. */
  window: number
  bits: number
  /** Characters to skip, by the hash of the last block of the window; 0 where a spelling may start. */
  leaps: Uint8Array
}

const tableOf = (spellings: readonly string[]): SearchTable => {
  const shortestLength = spellings.reduce((least, { length }) => Math.min(least, length), longestWindow)
  const window = spellings.length === 0 ? shortest : shortestLength
  const lastBlock = window - blockLength
  const bits = hashBits(spellings.length * (lastBlock + 1))
  const leaps = new Uint8Array(2 ** bits).fill(lastBlock + 1)
  for (const one of spellings) {
    for (let at = 0; at <= lastBlock; at++) {
      const hash = blockHash(one.charCodeAt(at), one.charCodeAt(at + 1), one.charCodeAt(at + 2), bits)
      leaps[hash] = Math.min(leaps[hash] ?? 0, lastBlock - at)
    }
  }
  return { window, bits, leaps }
}

/**
 * The Wu–Manber algorithm: a window as long as the shortest spelling is examined from its end, and skipped when its
 * last characters occur in no spelling. It scans a megabyte in a fraction of a millisecond, with many secrets of any
 * length.
 */
export const makeSecretFinder = (spellings: ReadonlyMap<string, string>): SecretFinder => {
  const longestFirst = [...spellings.keys()].sort((left, right) => right.length - left.length)
  const longest = longestFirst[0]?.length ?? 0
  const { window, bits, leaps } = tableOf(longestFirst)
  const lastBlock = window - blockLength
  const byStart = groupedBy(longestFirst, (one) => one.slice(0, shortest))
  const byFirst = groupedBy(longestFirst, (one) => one.slice(0, 1))
  return {
    find(text, from) {
      const last = text.length - blockLength
      for (let at = from + lastBlock; at <= last; ) {
        const hash = blockHash(text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2), bits)
        const leap = leaps[hash] ?? 0
        if (leap === 0) {
          const start = at - lastBlock
          const one = byStart.get(text.slice(start, start + shortest))?.find((other) => text.startsWith(other, start))
          if (one !== undefined) return { start, end: start + one.length, name: spellings.get(one) ?? '' }
          at++
        } else at += leap
      }
      return undefined
    },
    begun(text, from) {
      for (let at = Math.max(from, text.length - longest + 1); at < text.length; at++) {
        const same = byFirst.get(text.charAt(at))
        if (same?.some((one) => one.length > text.length - at && one.startsWith(text.slice(at)))) return at
      }
      return text.length
    },
  }
}

/**
 * Makes the function that tells whether bytes hold one of some texts, each of at least six bytes. The same search as in a
 * text, without the text: to make one of a megabyte takes longer than to search it.
 */
export const makeByteSearch = (texts: readonly string[]): ((bytes: Buffer) => boolean) => {
  const spellings = texts.map((one) => Buffer.from(one).toString('latin1'))
  const { window, bits, leaps } = tableOf(spellings)
  const lastBlock = window - blockLength
  const byStart = groupedBy(spellings, (one) => one.slice(0, shortest))
  const isAt = (bytes: Buffer, start: number): boolean =>
    byStart
      .get(bytes.toString('latin1', start, start + shortest))
      ?.some((one) => bytes.toString('latin1', start, start + one.length) === one) ?? false
  return (bytes) => {
    const last = bytes.length - blockLength
    for (let at = lastBlock; at <= last; ) {
      const hash = blockHash(bytes[at] as number, bytes[at + 1] as number, bytes[at + 2] as number, bits)
      const leap = leaps[hash] ?? 0
      if (leap > 0) at += leap
      else if (isAt(bytes, at++ - lastBlock)) return true
    }
    return false
  }
}
