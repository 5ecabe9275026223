import pc from 'picocolors'
import type { PreflightCheck, RunbookPreflight } from '../model/runbook-request.ts'
import { hanging, safe } from './output.ts'

const marks = { ok: pc.green('✓'), warning: pc.yellow('!'), failed: pc.red('✗') }

const line = ({ name, state, found, fix }: PreflightCheck, width: number): string => {
  const head = `${marks[state]} ${name.padEnd(width)} ${hanging(found, width + 3)}`
  return fix === null || state === 'ok' ? head : `${head}\n  ${' '.repeat(width)} ${pc.dim('→')} ${safe(fix)}`
}

/** What was looked at before a runbook is begun, green and red, each with its remedy. */
export const preflightText = (checks: readonly PreflightCheck[]): string => {
  const width = Math.max(0, ...checks.map(({ name }) => name.length))
  return checks.map((check) => line(check, width)).join('\n')
}

/** The same with remedies as somebody at a command line has them; `collection` is where a server looked. */
export const withCommands = (found: RunbookPreflight, collection?: string): RunbookPreflight => {
  const missing = found.checks.find(({ name, state }) => name === 'key' && state === 'failed')?.found
  const key = missing?.split(' ', 1)[0] ?? '<NAME>' // the text begins with the names that would do
  const remedies: Readonly<Record<string, string>> = {
    variables: 'Give each one with -p name=value, or a default in the table of parameters.',
    key:
      collection === undefined
        ? 'Export it, or write it into .env, here or beside the runbook.'
        : `Set it with: jetty env set ${collection} ${key}`,
    secrets:
      collection === undefined
        ? 'Export each of them, or write it into .env, here or beside the runbook.'
        : `Set each of them with jetty env set ${collection} <NAME>, or for one run with --secret <NAME>.`,
  }
  const fixOf = ({ name, fix }: PreflightCheck): string | null =>
    remedies[name] ?? (fix?.includes('secret_params') ? remedies.key : undefined) ?? fix
  const checks = found.checks.map((check) => (check.state === 'failed' ? { ...check, fix: fixOf(check) } : check))
  return { ...found, checks }
}
