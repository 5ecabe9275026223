import { statSync } from 'node:fs'
import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError, messageOf } from '../../lib/errors.ts'
import { redactToken } from '../../lib/ids.ts'
import { version } from '../../lib/version.ts'
import type { MachineCheck } from '../../server/local/machine-checks.ts'
import { findLegacyToken, tokenPath } from '../config-files.ts'
import { exitCodes } from '../exit.ts'
import { askHealth, explainConnection } from '../explain-connection.ts'
import { dataDirHere } from '../find-server.ts'
import { runningServers } from '../serve/server-notes.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'

/** `jetty doctor`. */
export const registerDoctor = (program: Command): void => {
  program
    .command('doctor')
    .description('Check the server and the token; on the machine of the server also its database, folders and sandbox')
    .addHelpText(
      'after',
      `
Each failed check says how to fix it. With the admin token the server tells its own checks, too.
The exit code is 1 if a check failed; warnings do not count.

Examples:
  jetty doctor
  jetty doctor --url https://jetty.example.com
  DATABASE_URL=postgres://… jetty doctor`,
    )
    .action(withSession(doctor))
}

const marks = { ok: pc.green('✓'), warning: pc.yellow('!'), failed: pc.red('✗') }

const doctor = async (session: Session): Promise<void> => {
  const server = await serverCheck(session)
  const isServing = server.state !== 'failed'
  const checks = [server]
  if (isServing)
    checks.push(...(await tokenChecks(session)), ...(await modelCheck(session)), ...(await ownChecks(session)))
  checks.push(...legacyCheck())
  const { host } = new URL(session.url)
  if (/^(localhost|127\.|\[::1\])/.test(host)) {
    const { checkMachine } = await import('../../server/local/machine-checks.ts')
    const noted = runningServers(dataDirHere()).flatMap(({ url }) => (url === null ? [] : [portOf(url)]))
    checks.push(...(await checkMachine(process.env, [...(isServing ? [portOf(session.url)] : []), ...noted])))
  }
  session.out.answer(checks, () => checks.map(line).join('\n'))
  if (checks.some(({ state }) => state === 'failed')) process.exitCode = exitCodes.failed
}

const portOf = (url: string): number => Number(new URL(url).port || 80)

const line = ({ name, state, found, remedy }: MachineCheck): string => {
  const head = `${marks[state]} ${name.padEnd(12)} ${safe(found)}`
  return remedy && state !== 'ok' ? `${head}\n  ${' '.repeat(12)} ${pc.dim('→')} ${safe(remedy)}` : head
}

const serverCheck = async (session: Session): Promise<MachineCheck> => {
  const { url, urlSource } = session
  try {
    const health = await askHealth(session)
    const found = `${url} (${urlSource}), version ${health.version ?? 'unknown'}`
    return health.version === version
      ? { name: 'server', state: 'ok', found }
      : {
          name: 'server',
          state: 'warning',
          found: `${found}; this CLI is ${version}`,
          remedy: 'Use the same version of Jetty on both sides.',
        }
  } catch (error) {
    const about = explainConnection(session, error)
    const remedy = about instanceof AppError ? about.hint : undefined
    return {
      name: 'server',
      state: 'failed',
      found: messageOf(about),
      remedy: remedy ?? 'Start it with `jetty serve`.',
    }
  }
}

const tokenChecks = async (session: Session): Promise<MachineCheck[]> => {
  const { client, token, tokenSource, withheld, url } = session
  const name = 'token'
  if (token === undefined) {
    const found = withheld ? `the token in ${withheld.source} belongs to ${withheld.madeFor}` : 'there is no token'
    return [{ name, state: 'failed', found, remedy: `Run \`jetty login --url ${url}\`.` }]
  }
  try {
    const who = await client.whoAmI()
    const covers = who.collections.join(', ') || 'no collection'
    const found = `${redactToken(token)} from ${tokenSource}, ${who.access_level} for ${covers}`
    return [{ name, state: 'ok', found }, ...modeCheck(tokenSource)]
  } catch (error) {
    const about = explainConnection(session, error)
    const remedy =
      (about instanceof AppError && about.hint) || 'Run `jetty login` with a token that this server accepts.'
    return [{ name, state: 'failed', found: `${redactToken(token)} from ${tokenSource}: ${messageOf(error)}`, remedy }]
  }
}

/** Lists models that the token's keys can call; empty when unknown. */
const modelCheck = async ({ client }: Session): Promise<MachineCheck[]> => {
  const listed = await client.listRoutableModels().catch(() => undefined)
  if (!listed) return []
  const real = listed.data.filter(({ id }) => !id.startsWith('scripted/'))
  const owners = new Set(real.map(({ owned_by: owner }) => owner))
  const found =
    real.length > 0
      ? `${real.length} available, from ${[...owners].join(', ')}`
      : 'only scripted models; jetty env set <collection> OPENAI_API_KEY adds the models of OpenAI'
  return [{ name: 'models', state: 'ok', found }]
}

/** Asks the server for its own checks, which need the admin token. */
const ownChecks = async ({ client }: Session): Promise<MachineCheck[]> => {
  const found = await client.getSystem().catch(() => undefined)
  return (found?.checks ?? []).map(({ name, remedy, ...rest }) => ({
    name: `its ${name}`,
    ...rest,
    ...(remedy !== null && { remedy }),
  }))
}

const modeCheck = (source: string | undefined): MachineCheck[] => {
  if (source !== tokenPath() || (statSync(source).mode & 0o077) === 0) return []
  return [
    {
      name: 'token file',
      state: 'warning',
      found: `${source} can be read by other users of this machine`,
      remedy: `chmod 600 ${source}`,
    },
  ]
}

const legacyCheck = (): MachineCheck[] =>
  findLegacyToken(process.cwd()) === undefined
    ? []
    : [
        {
          name: 'CLAUDE.md',
          state: 'warning',
          found: 'it contains a token, and such files are often shared',
          remedy: 'Run `jetty login` here: it moves the token to its own file.',
        },
      ]
