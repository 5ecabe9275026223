import { parseEnv } from 'node:util'
import { AppError } from '../../lib/errors.ts'

const assignment = /^\s*(export\s+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=/

/** Empties quoted values, which may span lines; the number of lines stays the same. */
const withoutQuoted = (text: string): string =>
  text.replace(/(=[ \t]*)(["'`])[\s\S]*?\2/g, (whole, sign: string) => sign + '\n'.repeat(whole.split('\n').length - 1))

/** Parses lines of NAME=value with comments, quotes and `export`. Refuses any other line instead of skipping it. */
export const parseDotenv = (text: string, source: string): Record<string, string> => {
  const lines = withoutQuoted(text).split(/\r?\n/)
  const wrong = lines.findIndex((line) => line.trim() !== '' && !/^\s*#/.test(line) && !assignment.test(line))
  if (wrong >= 0) {
    throw new AppError('invalid', `Line ${wrong + 1} of ${source} is not NAME=value; nothing was set`, {
      hint: 'Put quotes around a value of several lines.',
    })
  }
  return parseEnv(text.replaceAll('\r\n', '\n')) as Record<string, string>
}

/** Parses stdin; empty input is an error. */
export const readDotenv = (text: string): Record<string, string> => {
  const variables = parseDotenv(text, 'stdin')
  if (Object.keys(variables).length > 0) return variables
  throw new AppError('invalid', 'Stdin has no line of NAME=value', {
    hint: 'For example: jetty env set demo --dotenv < .env',
  })
}
