import { randomBytes } from 'node:crypto'
import { traceVariables } from '../../lib/text/trace-context.ts'
import type { PreflightCheck, RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import type { RunbookPlace } from '../../model/runbooks/runbook-run.ts'
import type { DeclaredSecret } from './format/runbook.ts'
import { failed, listed, ok, warned } from './preflight/checks.ts'
import { keysOfProvider } from './preflight/choose-agent.ts'

/** Under these names the sandbox sees the run's token, never a key, whatever the source of their value. */
const keyNames: readonly string[] = [...Object.values(keysOfProvider).flat(), 'REPLICATE_API_TOKEN']

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/
const mostVariables = 1000
/** Linux's limit for a variable: 128 KiB with its name. */
const longestVariable = 128 * 1024 - 1

/** Creates the only key that a run's gateway accepts. */
export const makeToken = (): string => `jetty-run-${randomBytes(32).toString('hex')}`

const isFilled = (value: string | undefined): boolean => value !== undefined && value !== ''

/** Checks the declared secrets: reports all missing ones in one sentence, and values that cannot be variables. */
export const checkSecrets = (
  secrets: readonly DeclaredSecret[],
  request: Pick<RunbookRequest, 'agent_env'>,
  place: Pick<RunbookPlace, 'env' | 'lent' | 'secretParams'>,
): { missing: string[]; checks: PreflightCheck[] } => {
  const given = request.agent_env ?? {}
  const isThere = (name: string) =>
    isFilled(place.env(name)) || (Object.hasOwn(given, name) && isFilled(given[name])) || place.lent?.(name) === true
  const absent = secrets.filter(({ env }) => !isThere(env))
  const missing = [...new Set(absent.filter(({ required }) => required).map(({ env }) => env))]
  const spared = [...new Set(absent.filter(({ required }) => !required).map(({ env }) => env))]
  const checks: PreflightCheck[] = []
  if (missing.length > 0) {
    const found = `Not configured: ${listed(missing)}`
    const fix = `Set ${missing.length > 1 ? 'each of them' : 'it'} in the environment of the collection (PATCH …/environment), or send it in secret_params.`
    checks.push(failed('secrets', found, fix, 'secret_params'))
  }
  if (spared.length > 0) {
    checks.push(
      warned(
        'secrets',
        `Not configured, and not required: ${listed(spared)}`,
        'Set them in the environment of the collection if the runbook should use them.',
      ),
    )
  }
  if (checks.length === 0) {
    checks.push(ok('secrets', secrets.length === 0 ? 'None are needed' : listed(secrets.map(({ env }) => env))))
  }
  return { missing, checks: [...checks, ...checkVariableNames(given)] }
}

const checkVariableNames = (given: Readonly<Record<string, string>>): PreflightCheck[] => {
  const names = Object.keys(given)
  const wrong = names.filter(
    (name) =>
      !variableName.test(name) ||
      given[name]?.includes('\0') ||
      Buffer.byteLength(`${name}=${given[name]}`) > longestVariable,
  )
  if (names.length > mostVariables) {
    return [
      failed(
        'secrets',
        `agent_env has ${names.length} variables`,
        `Pass at most ${mostVariables} variables.`,
        'agent_env',
      ),
    ]
  }
  if (wrong.length === 0) return []
  const fix = 'Use letters, digits and _ in names, and values without NUL of at most 128 KiB.'
  return [
    failed(
      'secrets',
      `Not valid as environment variables: ${listed(wrong.map((name) => JSON.stringify(name)))}`,
      fix,
      'agent_env',
    ),
  ]
}

/** Names of the variables for the agent: of the runbook, the request and the run. */
export const declaredNames = (
  secrets: readonly DeclaredSecret[],
  agentEnv: Readonly<Record<string, string>>,
  secretParams: readonly string[],
): string[] => [...secrets.map(({ env }) => env), ...Object.keys(agentEnv), ...secretParams]

/** Builds the agent's complete environment; nothing else of the server or the collection enters. */
export const environmentOf = (parts: {
  secrets: readonly DeclaredSecret[]
  agentEnv: Readonly<Record<string, string>>
  place: Pick<RunbookPlace, 'env' | 'secretParams'>
  /** The trace that the agent is part of. */
  trace: string | undefined
  home: string
  /** Variables for the agent's program, which select one of several providers behind the gateway. */
  launch: Readonly<Record<string, string>>
  /** Keys, base URLs and proxy of the gateway; they override all others. */
  gateway: Readonly<Record<string, string>>
  token: string
}): Record<string, string> => {
  const { secrets, agentEnv, place, trace, home, launch, gateway, token } = parts
  const looked = (names: readonly string[]): Record<string, string> =>
    Object.fromEntries(
      names.flatMap((name) => {
        const value = place.env(name)
        const fits = variableName.test(name) && value !== undefined && !value.includes('\0')
        return fits ? [[name, value]] : []
      }),
    )
  const wanted: Record<string, string> = {
    ...looked(secrets.map(({ env }) => env)),
    ...agentEnv,
    ...looked(place.secretParams),
  }
  for (const name of keyNames) if (Object.hasOwn(wanted, name)) wanted[name] = token
  return { ...baseEnvironment(home), ...traceVariables(trace), ...wanted, ...gateway, ...launch }
}

/** Variables that any program may expect, except PATH, which each sandbox and image defines. */
export const baseEnvironment = (home: string): Record<string, string> => ({
  HOME: home,
  USER: 'agent',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
})
