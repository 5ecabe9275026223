interface Limits {
  /** Characters of a text. */
  text: number
  /** Items of a list. */
  items: number
  /** Members of an object. */
  members: number
}

/** From generous to strict: the first that makes a value fit is used. */
const levels: readonly Limits[] = [
  { text: 8_000, items: 200, members: 200 },
  { text: 3_000, items: 60, members: 100 },
  { text: 1_000, items: 25, members: 60 },
  { text: 300, items: 10, members: 40 },
  { text: 100, items: 4, members: 25 },
  { text: 40, items: 2, members: 12 },
  { text: 40, items: 0, members: 0 },
]

/** All members of the value itself are kept, if they are not more: the schema of a result names them. */
const mostOutermost = 200

const deepest = 40

const count = (number: number): string => number.toLocaleString('en')

const cutText = (text: string, most: number): string => {
  if (text.length <= most) return text
  const head = text.slice(0, most).replace(/[\ud800-\udbff]$/, '') // not half of a pair
  return `${head}… [${count(text.length)} characters in all]`
}

const cut = (value: unknown, limits: Limits, depth = 0): unknown => {
  if (typeof value === 'string') return cutText(value, limits.text)
  if (typeof value !== 'object' || value === null) return value
  if (depth > deepest) return '… [deeper levels are left out]'
  if (Array.isArray(value)) {
    const kept = value.slice(0, limits.items).map((one) => cut(one, limits, depth + 1))
    return value.length > limits.items ? [...kept, `… [${count(value.length)} items in all]`] : kept
  }
  const members = Object.entries(value)
  const most = depth === 0 && members.length <= mostOutermost ? mostOutermost : limits.members
  const kept = members.slice(0, most).map(([name, one]) => [name, cut(one, limits, depth + 1)])
  const left = members.length - kept.length
  return Object.fromEntries(left > 0 ? [...kept, ['…', `${count(left)} more members`]] : kept)
}

interface Shortened {
  /** JSON. */
  text: string
  value: unknown
  isCut: boolean
}

/** A value as JSON of at most `most` characters: long texts, lists and objects in it are cut, and say how long they were. */
export const shortJson = (value: unknown, most: number): Shortened => {
  const whole = JSON.stringify(value) ?? 'null'
  if (whole.length <= most) return { text: whole, value, isCut: false }
  for (const limits of levels) {
    const short = cut(value, limits)
    const text = JSON.stringify(short)
    if (text.length <= most) return { text, value: short, isCut: true }
  }
  const short = cutText(whole, Math.floor(most / 2) - 100)
  return { text: JSON.stringify(short).slice(0, most), value: short, isCut: true }
}
