import pc from 'picocolors'
import type { PreflightCheck, RunbookPreflight } from '../../model/runbooks/runbook-request.ts'
import { cliWords } from '../show/cli-words.ts'
import { hanging, safe } from '../show/output.ts'

const marks = { ok: pc.green('✓'), warning: pc.yellow('!'), failed: pc.red('✗') }

const line = ({ name, state, found, fix }: PreflightCheck, width: number): string => {
  const head = `${marks[state]} ${name.padEnd(width)} ${hanging(cliWords(found), width + 3)}`
  return fix === null || state === 'ok' ? head : `${head}\n  ${' '.repeat(width)} ${pc.dim('→')} ${safe(cliWords(fix))}`
}

/** What was looked at before a runbook is begun, green and red, each with its remedy. */
export const preflightText = (checks: readonly PreflightCheck[]): string => {
  const width = Math.max(0, ...checks.map(({ name }) => name.length))
  return checks.map((check) => line(check, width)).join('\n')
}

/** The variable that a text names first. */
const variableIn = (text: string): string | undefined => /\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/.exec(text)?.[0]

/** How somebody at a command line gives what is missing; of several, each as the first. */
const howToSet = (names: readonly string[], collection: string | undefined): string => {
  const what = names.length > 1 ? 'each of them' : 'it'
  if (collection === undefined) {
    return `Export ${what}, or write it into .env, here or beside the runbook.`
  }
  return `Set ${what} with: jetty env set ${collection} ${names[0]} (or for one run alone: --secret ${names[0]})`
}

/** The same with remedies as somebody at a command line has them; `collection` is where a server looked. */
export const withCommands = (found: RunbookPreflight, collection?: string): RunbookPreflight => {
  const fixOf = ({ name, found: text, fix }: PreflightCheck): string | null => {
    if (name === 'variables') return 'Give each one with -p name=value, or a default in the table of parameters.'
    if (name !== 'key' && !fix?.includes('secret_params')) return fix
    const missing = name === 'secrets' ? found.missing_secrets : [variableIn(text)].filter((one) => one !== undefined)
    return missing.length > 0 ? howToSet(missing, collection) : fix
  }
  const checks = found.checks.map((check) => (check.state === 'failed' ? { ...check, fix: fixOf(check) } : check))
  return { ...found, checks }
}
