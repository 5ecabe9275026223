import pc from 'picocolors'
import { safe } from '../show/output.ts'

const colours: Readonly<Record<string, (text: string) => string>> = {
  warn: pc.yellow,
  error: pc.red,
  fatal: pc.red,
  info: pc.cyan,
}

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Formats a JSON log line as `  14:07:02 warn  what happened · key value`; an error is shown by its message. */
export const terminalLogLine = (line: string): string => {
  const { level, time, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const name = String(level)
  const paint = colours[name] ?? pc.dim
  const error = err === undefined ? {} : { error: (err as { message?: unknown }).message }
  const details = Object.entries({ ...rest, ...error })
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key} ${valueText(value)}`)
  const clock = new Date(String(time)).toTimeString().slice(0, 8)
  const tail = details.length === 0 ? '' : pc.dim(` · ${safe(details.join(' · '))}`)
  return `  ${pc.dim(clock)} ${paint(name.padEnd(5))} ${safe(String(msg ?? ''))}${tail}\n`
}

/** Log destination for a person: stderr is a terminal. */
export const terminalLog = { write: (line: string): void => void process.stderr.write(terminalLogLine(line)) }
