import pc from 'picocolors'
import { prettyJson } from '../../lib/json/pretty-json.ts'

/** Removes escape sequences from untrusted text: a terminal must never execute them. */
export const safe = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to take out
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '�')

/** Indents JSON, keeping key order and numbers, without control characters. */
export const shownJson = (text: string): string =>
  prettyJson(text).replace(/[\u007f-\u009f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Output of a command: data on stdout, everything else on stderr. */
export interface CommandOutput {
  isJson: boolean
  /** Prints the answer: as JSON, or as text for people. */
  answer(data: unknown, text: () => string): void
  /** Prints an answer that is the same for people and programs. */
  print(text: string): void
  /** Prints a hint or progress line. With --json only on a terminal. */
  note(text: string): void
  /** Prints a probable mistake, always: with --json as a line of JSON on stderr. */
  warn(message: string): void
}

const print = (text: string): void => {
  if (text !== '') process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

export const makeOutput = (isJson: boolean): CommandOutput => ({
  isJson,
  answer: (data, text) => print(isJson ? shownJson(JSON.stringify(data)) : text()),
  print,
  note(text) {
    if (!isJson || process.stderr.isTTY) process.stderr.write(`${text}\n`)
  },
  warn(message) {
    const line = isJson ? JSON.stringify({ warning: { message } }) : `${pc.yellow('warning:')} ${safe(message)}`
    process.stderr.write(`${line}\n`)
  },
})

/** Indents further lines of untrusted text by `by` columns. */
export const hanging = (text: string, by: number): string => safe(text.trimEnd()).replace(/\n/g, `\n${' '.repeat(by)}`)

export type Cell = string | number | boolean | null | undefined

const cellText = (cell: Cell): string => (cell === null || cell === undefined ? '-' : safe(String(cell)))

/** Formats rows under headings, with columns as wide as needed. `paint` colours a padded cell. */
export const table = (
  headings: string[],
  rows: Cell[][],
  paint: (text: string, column: number) => string = (text) => text,
): string => {
  const cells = rows.map((row) => row.map((cell) => cellText(cell).replace(/\s*\n\s*/g, ' ')))
  const widths = headings.map((heading, at) => Math.max(heading.length, ...cells.map((row) => row[at]?.length ?? 0)))
  const line = (texts: string[], colour: (text: string, column: number) => string) =>
    texts
      .map((text, at) => colour(at === texts.length - 1 ? text : text.padEnd(widths[at] ?? 0), at))
      .join('  ')
      .trimEnd()
  return [line(headings, (text) => pc.dim(text)), ...cells.map((row) => line(row, paint))].join('\n')
}

/** Formats names and values, optionally coloured; multi-line values go below. */
export const fields = (pairs: [name: string, value: Cell, paint?: (text: string) => string][]): string => {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs
    .map(([name, value, paint = (text: string) => text]) => {
      const text = paint(cellText(value))
      return text.includes('\n')
        ? `${pc.dim(name)}\n${text.replace(/^/gm, '  ')}`
        : `${pc.dim(name.padEnd(width))}  ${text}`
    })
    .join('\n')
}

const statusColours: Record<string, (text: string) => string> = {
  completed: pc.green,
  failed: pc.red,
  cancelled: pc.yellow,
  running: pc.cyan,
  waiting: pc.magenta,
  pending: pc.dim,
  archived: pc.dim,
}

/** Colours a status; keeps the padding. */
export const paintStatus = (text: string): string => (statusColours[text.trim()] ?? ((same: string) => same))(text)

/** For example `12 ms`, `3.2 s`, `4 min 5 s`, `2 h 3 min`; a dash when unknown. */
export const duration = (seconds: number | null | undefined): string => {
  if (seconds === null || seconds === undefined) return '-'
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** For example `$0.0123`; a dash when unknown. */
export const dollars = (usd: number | null): string => (usd === null ? '-' : `$${Number(usd.toPrecision(4))}`)

/** For example `$0.0123, expected $0.012`: what something has cost, and what was expected at its start. */
export const costText = (usd: number | null, atStart: { expected: number } | null): string =>
  [
    ...(usd === null ? [] : [dollars(usd)]),
    ...(atStart === null ? [] : [`expected ${dollars(atStart.expected)}`]),
  ].join(', ')

/** For example `1 call`, `1,234 tokens`. */
export const quantity = (count: number, what: string): string =>
  `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`

/** Offset of local time at a moment: `UTC`, `+01:00`. */
const zoneOf = (at: Date): string => {
  const minutes = -at.getTimezoneOffset()
  if (minutes === 0) return 'UTC'
  const two = (value: number) => String(value).padStart(2, '0')
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`
}

/** Formats an API time in local time with its zone: `2026-11-28 14:07:02 +01:00`. */
export const moment = (text: string | null | undefined): string => {
  if (!text) return '-'
  const at = new Date(text)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zoneOf(at)}`
}
