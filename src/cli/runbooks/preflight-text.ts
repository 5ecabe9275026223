import pc from 'picocolors'
import type { PreflightCheck, RunbookPreflight } from '../../model/runbooks/runbook-request.ts'
import { fileOffer, scriptedOffer } from '../../sandbox/runbooks/preflight/checks.ts'
import { cliWords } from '../show/cli-words.ts'
import { hanging, safe } from '../show/output.ts'

const marks = { ok: pc.green('✓'), warning: pc.yellow('!'), failed: pc.red('✗') }

const line = ({ name, state, found, fix }: PreflightCheck, width: number): string => {
  const head = `${marks[state]} ${name.padEnd(width)} ${hanging(cliWords(found), width + 3)}`
  return fix === null || state === 'ok' ? head : `${head}\n  ${' '.repeat(width)} ${pc.dim('→')} ${safe(cliWords(fix))}`
}

/** Formats preflight checks, green and red, each with its remedy. */
export const preflightText = (checks: readonly PreflightCheck[]): string => {
  const width = Math.max(0, ...checks.map(({ name }) => name.length))
  return checks.map((check) => line(check, width)).join('\n')
}

/** Maximum examples in a line. */
const mostExamples = 6

const shortened = (examples: readonly string[]): string =>
  [...examples.slice(0, mostExamples), ...(examples.length > mostExamples ? ['…'] : [])].join(' ')

/** Variables named in a text, such as "GOOGLE_API_KEY or GEMINI_API_KEY is not configured". */
const variablesIn = (text: string): string[] => text.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g) ?? []
const placeholdersIn = (text: string): string[] =>
  [...text.matchAll(/\{\{([\w.-]+)\}\}/g)].map((match) => match[1] ?? '')

const howToGive = (names: readonly string[]): string => shortened(names.map((name) => `-p ${name}=…`))

/** Explains how to set a secret: on this machine, or in the server's collection. */
const howToSet = (names: readonly string[], collection: string | undefined): string => {
  if (collection === undefined) {
    const exports = shortened(names.map((name) => `${name}=…`))
    return `export ${exports} (or write ${names.length > 1 ? 'them' : 'it'} into .env, here or beside the runbook).`
  }
  const commands = names.slice(0, mostExamples).map((name) => `jetty env set ${collection} ${name}`)
  return `${commands.join(' && ')} (or for one run alone: ${shortened(names.map((name) => `--secret ${name}`))}).`
}

const offer = 'Or try it without a key: --agent scripted runs its sh and bash blocks.'

/** Rewrites remedies as commands; `collection` is the one that the server checked. */
export const withCommands = (found: RunbookPreflight, collection?: string): RunbookPreflight => {
  const own = ({ name, state, found: text, fix }: PreflightCheck): string | null => {
    if (name === 'variables' && state === 'failed') {
      const file = fix?.includes(fileOffer) ? ' (or send a file instead: -f FILE)' : ''
      return `Give ${howToGive(found.missing_variables)}${file}, or add a default to the parameter table of the runbook (\`none\` allows an empty value).`
    }
    if (name === 'variables' && text.startsWith('Nothing is known of')) {
      const names = placeholdersIn(text).filter((one) => !one.startsWith('secrets.'))
      return names.length > 0 ? `Give ${howToGive(names)}, or remove it from the text.` : fix
    }
    if (name === 'key' && variablesIn(text).length > 0) return howToSet(variablesIn(text).slice(0, 1), collection)
    if (name === 'secrets' && text.startsWith('Not configured')) {
      if (state === 'failed') return howToSet(found.missing_secrets, collection)
      return variablesIn(text).length > 0 ? `Where it is wanted: ${howToSet(variablesIn(text), collection)}` : fix
    }
    return fix?.replace('take snapshot ', 'take --snapshot ') ?? null
  }
  const fixOf = (check: PreflightCheck): string | null => {
    if (check.state === 'ok') return check.fix
    const fix = own(check)
    return check.fix?.includes(scriptedOffer) ? `${fix?.replace(scriptedOffer, '').trim()} ${offer}` : fix
  }
  return { ...found, checks: found.checks.map((check) => ({ ...check, fix: fixOf(check) })) }
}
