const daysIn = (year: number, month: number): number => new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()
const isLeap = (year: number): boolean => daysIn(year, 2) === 29

const isDay = (year: number, month: number, day: number): boolean =>
  month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)

const isWeekDay = (_year: number, week: number, day: number): boolean => week >= 1 && week <= 53 && day >= 1 && day <= 7

/** The forms of a date: with or without hyphens; a week, or a day of the year. */
const dateForms: [RegExp, (year: number, a: number, b: number) => boolean][] = [
  [/^(\d{4})-(\d{2})-(\d{2})/, isDay],
  [/^(\d{4})(\d{2})(\d{2})/, isDay],
  [/^(\d{4})-W(\d{2})-(\d)/, isWeekDay],
  [/^(\d{4})W(\d{2})(\d)/, isWeekDay],
  [/^(\d{4})-?W(\d{1,2})$/, (_year, week) => week >= 1 && week <= 53],
  [/^(\d{4})-?(\d{3})/, (year, day) => day >= 1 && day <= (isLeap(year) ? 366 : 365)],
  [/^(\d{4})-(\d{2})$/, (_year, month) => month >= 1 && month <= 12],
  [/^(\d{4})$/, () => true],
]

const zone = /(Z|z|[+-](\d{2})(?::?(\d{2}))?)$/

const wholeTime = /^(\d{2})(?::(\d{2})(?::(\d{2})(?:[.,]\d+)?)?|(\d{2})(?:(\d{2})(?:[.,]\d+)?)?)?$/
/** The reference implementation reads a last part of one digit, where nothing follows. */
const shortTime = /^(\d{2})(?::(\d{1,2})|:(\d{2}):\d|\d|(\d{2})\d)$/

const isTime = (text: string): boolean => {
  const offset = zone.exec(text)
  if (offset && (Number(offset[2] ?? 0) > 23 || Number(offset[3] ?? 0) > 59)) return false
  const time = offset ? text.slice(0, offset.index) : text
  const parts = offset || /[.,]/.test(time) ? wholeTime.exec(time) : (wholeTime.exec(time) ?? shortTime.exec(time))
  if (!parts) return false
  const [hour, minute, second] = [parts[1], parts[2] ?? parts[4], parts[3] ?? parts[5]].map((one) => Number(one ?? 0))
  if (hour === 24) return minute === 0 && second === 0 && !/[.,]\d*[1-9]/.test(time)
  return (hour ?? 0) < 24 && (minute ?? 0) < 60 && (second ?? 0) < 60
}

/** Whether a text is a date or a date with a time as in ISO 8601; any one character may stand between the two. */
export const isIsoDate = (text: string): boolean => {
  for (const [form, isValid] of dateForms) {
    const found = form.exec(text)
    if (!found) continue
    const [whole, year, a, b] = found
    if (Number(year) < 1 || !isValid(Number(year), Number(a), Number(b))) return false
    const rest = text.slice(whole.length)
    return rest === '' || isTime(rest.slice(1))
  }
  return false
}

/** A token of a JSONPath: its kind, which is itself for punctuation. */
type Token = 'id' | 'number' | 'operator' | 'where' | string

const lexemes: [RegExp, (text: string) => Token | undefined][] = [
  [/[ \t\n]+/y, () => undefined],
  [/\.\./y, () => '..'],
  [/[a-zA-Z_@][a-zA-Z0-9_@-]*/y, (text) => (text === 'where' ? 'where' : 'id')],
  [/-?\d+/y, () => 'number'],
  [/'(?:[^'\\]|\\.)*'/y, () => 'id'],
  [/"(?:[^"\\]|\\.)*"/y, () => 'id'],
  [/`(?:this|parent)`/y, () => 'operator'],
  [/[*.[\]()$,:|&]/y, (text) => text],
]

const tokensOf = (path: string): Token[] | undefined => {
  const tokens: Token[] = []
  for (let at = 0; at < path.length; ) {
    let text: string | undefined
    for (const [pattern, tokenOf] of lexemes) {
      pattern.lastIndex = at
      text = pattern.exec(path)?.[0]
      if (text === undefined) continue
      const token = tokenOf(text)
      if (token !== undefined) tokens.push(token)
      break
    }
    if (text === undefined) return undefined
    at += text.length
  }
  return tokens
}

/** Reads names with commas between them. */
const fieldsEnd = (tokens: readonly Token[], at: number): number | undefined => {
  if (tokens[at] !== 'id') return undefined
  let end = at + 1
  while (tokens[end] === ',' && tokens[end + 1] === 'id') end += 2
  return end
}

/** Reads what stands in brackets: names, a number, `*` or a slice. */
const bracketsEnd = (tokens: readonly Token[], at: number): number | undefined => {
  let end = fieldsEnd(tokens, at)
  if (end === undefined && tokens[at] === '*') end = at + 1
  if (end === undefined) {
    end = tokens[at] === 'number' ? at + 1 : at
    if (tokens[end] === ':') end += tokens[end + 1] === 'number' ? 2 : 1
    else if (end === at) return undefined
  }
  return tokens[end] === ']' ? end + 1 : undefined
}

/** Reads one step: a root, names, `*`, brackets or parentheses, and the brackets after it. */
const stepEnd = (tokens: readonly Token[], at: number): number | undefined => {
  const token = tokens[at]
  let end: number | undefined
  if (token === '$' || token === '*' || token === 'operator') end = at + 1
  else if (token === '[') end = bracketsEnd(tokens, at + 1)
  else if (token === '(') {
    const inside = pathEnd(tokens, at + 1)
    end = inside !== undefined && tokens[inside] === ')' ? inside + 1 : undefined
  } else end = fieldsEnd(tokens, at)
  while (end !== undefined && tokens[end] === '[') end = bracketsEnd(tokens, end + 1)
  return end
}

const joints = new Set<Token>(['.', '..', '|', '&', 'where'])

const pathEnd = (tokens: readonly Token[], at: number): number | undefined => {
  let end = stepEnd(tokens, at)
  while (end !== undefined && joints.has(tokens[end] ?? '')) end = stepEnd(tokens, end + 1)
  return end
}

/** Whether a JSONPath can be read, by the grammar of jsonpath-rw: without filters, and slices without a step. */
export const isJsonPath = (path: string): boolean => {
  if (path.length > 2_000) return false
  const tokens = tokensOf(path)
  return tokens !== undefined && tokens.length > 0 && pathEnd(tokens, 0) === tokens.length
}
