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

/** The parts of a JSONPath: gaps, joints, names, numbers, operators, marks, and what is none of them. */
const lexeme =
  /([ \t\n]+)|(\.\.|[.|&]|where(?![\w@-]))|([a-zA-Z_@][\w@-]*|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(-?\d+)|(`(?:this|parent)`)|([*[\]()$,:])|[\s\S]/g

const names = 'i(?:,i)*'
const brackets = `\\[(?:${names}|\\*|n|n?:n?)\\]`
const step = `(?:[$*]|${names}|${brackets})(?:${brackets})*`
const path = `${step}(?:\\.${step})*`
const [wholePath, nestedPath] = [new RegExp(`^${path}$`), new RegExp(`\\(${path}\\)`, 'g')]

/** Whether a JSONPath can be read, by the grammar of jsonpath-rw: without filters, and slices without a step. */
export const isJsonPath = (text: string): boolean => {
  if (text.length > 2_000) return false
  // A letter for each part; a path in parentheses then stands where a root may stand.
  let parts = text.replace(lexeme, (_, gap, joint, name, number, operator, mark) =>
    gap ? '' : joint ? '.' : name ? 'i' : number ? 'n' : operator ? '$' : (mark ?? '!'),
  )
  for (let before = ''; before !== parts; ) {
    before = parts
    parts = parts.replace(nestedPath, () => '$')
  }
  return wholePath.test(parts)
}
