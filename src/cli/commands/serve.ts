import { statSync } from 'node:fs'
import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError, messageOf } from '../../lib/errors.ts'
import { redactToken } from '../../lib/ids.ts'
import type { Setting } from '../../lib/settings/setting.ts'
import { pause } from '../../lib/time.ts'
import { version } from '../../lib/version.ts'
import type { MachineCheck } from '../../server/local/machine-checks.ts'
import { findLegacyToken, tokenPath } from '../config-files.ts'
import { exitCodes, reportError } from '../exit.ts'
import { askHealth, explainConnection, type Health } from '../explain-connection.ts'
import { dataDirHere } from '../find-server.ts'
import { isRunning, runningServers, type ServerNote } from '../serve/server-notes.ts'
import { type Globals, type Session, withSession } from '../session.ts'
import { duration, fields, moment, safe } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'

/** `jetty serve`. The server is loaded when it is started; the settings only to show them. */
export const registerServe = (program: Command): void => {
  const serve = program
    .command('serve')
    .description('Start the server; Ctrl-C lets running steps finish and stops it')
    .option('--port <port>', 'port to listen on, instead of JETTY_PORT; 0 picks a free port')
    .option('--data-dir <folder>', 'folder for all data, instead of JETTY_DATA_DIR')
    .option('--settings', 'list the settings, all of them environment variables, and exit')
    .addHelpText(
      'after',
      `
All other settings are optional environment variables; list them with: jetty serve --settings

Examples:
  jetty serve
  jetty serve --port 8080 --data-dir /var/lib/jetty
  DATABASE_URL=postgres://jetty:password@db/jetty JETTY_ROLE=worker jetty serve`,
    )
  serve.action(async ({ settings, port, dataDir }: { settings?: boolean; port?: string; dataDir?: string }) => {
    if (settings) {
      const { settingList } = await import('../../lib/settings/config.ts')
      process.stdout.write(settingsText(settingList))
      return
    }
    const env = {
      ...process.env,
      ...(port === undefined ? {} : { JETTY_PORT: port }),
      ...(dataDir === undefined ? {} : { JETTY_DATA_DIR: dataDir }),
    }
    await (await import('../serve/serve.ts')).serve(env).catch((error) => {
      const code = reportError(error, serve.optsWithGlobals<Globals>().json)
      process.exitCode = error instanceof AppError && error.code === 'invalid' ? code : exitCodes.failed
    })
  })
}

/** Lists settings with their defaults and an example; none is required. */
const settingsText = (list: readonly Setting[]): string => {
  const width = Math.max(...list.map((setting) => setting.variable.length))
  const lines = list.map(
    ({ variable, description, default: preset, example }) =>
      `  ${variable.padEnd(width)}  ${description}\n  ${' '.repeat(width)}  ${preset ? `default ${preset}, ` : ''}for example ${example}`,
  )
  return `${lines.join('\n')}\n`
}

const lookAgainMs = 50

/** `jetty stop`. */
export const registerStop = (program: Command): void => {
  program
    .command('stop')
    .description('Stop the server on this machine, and wait until its running steps have finished')
    .addHelpText(
      'after',
      `
Stops every server process of the data folder (JETTY_DATA_DIR, else ~/.jetty) on this machine.
Running steps get the server's JETTY_DRAIN_SECONDS to finish; unfinished runs continue at the next start.

Examples:
  jetty stop
  JETTY_DATA_DIR=/var/lib/jetty jetty stop`,
    )
    .action(withSession(stop))
}

const askToStop = ({ pid }: ServerNote): void => {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ESRCH') return // it has ended already
    throw new AppError('forbidden', `The server (process ${pid}) belongs to another user`, {
      hint: 'Stop it as that user, or as root.',
      cause: error,
    })
  }
}

const stop = async ({ out, signal }: Session): Promise<void> => {
  const dataDir = dataDirHere()
  const servers = runningServers(dataDir)
  if (servers.length === 0) {
    out.answer({ stopped: [], data_dir: dataDir }, () => '')
    out.note(`No server runs on the data folder ${dataDir}. Select another folder with JETTY_DATA_DIR.`)
    return
  }
  for (const server of servers) askToStop(server)
  const line = out.isJson ? undefined : makeProgressLine(() => 'Waiting for running steps to finish')
  try {
    while (servers.some(isRunning) && (await pause(lookAgainMs, signal)));
  } finally {
    line?.stop()
  }
  if (signal.aborted) out.note('The server continues to stop. See whether it still runs with: jetty status')
  signal.throwIfAborted()
  const stopped = servers.map(({ pid }) => pid)
  out.answer({ stopped, data_dir: dataDir }, () => stopped.map((pid) => `Stopped process ${pid}`).join('\n'))
}

/** `jetty status`. */
export const registerStatus = (program: Command): void => {
  program
    .command('status')
    .description('Show which server commands talk to and why, whether it answers, and the servers of this machine')
    .addHelpText(
      'after',
      `
The commands use the first server that is found in: --url, JETTY_API_URL, JETTY_PORT, the server that runs on
JETTY_DATA_DIR, the server of the last login (~/.config/jetty/api_base), the server that runs on ~/.jetty, and
http://127.0.0.1:7070. The exit code is 3 if it does not answer.

Examples:
  jetty status
  JETTY_DATA_DIR=/var/lib/jetty jetty status
  jetty status --json | jq -r .url`,
    )
    .action(withSession(status))
}

const status = async (session: Session): Promise<void> => {
  const { out, url, urlSource, token, tokenSource, withheld } = session
  const asked = await askHealth(session).catch((error: unknown) => messageOf(error))
  const health = typeof asked === 'string' ? undefined : asked
  const dataDir = dataDirHere()
  const processes = runningServers(dataDir)
  const found = {
    url,
    url_source: urlSource,
    answers: health !== undefined,
    version: health?.version ?? null,
    uptime_seconds: health?.uptime_seconds ?? null,
    token: token === undefined ? null : redactToken(token),
    token_source: tokenSource ?? null,
    data_dir: dataDir,
    processes: processes.map(({ pid, role, url: at, version, since }) => ({ pid, role, url: at, version, since })),
  }
  const withheldText = withheld && `none: the token in ${withheld.source} belongs to ${withheld.madeFor}`
  out.answer(found, () =>
    fields([
      ['server', `${url} (${urlSource})`],
      ['state', typeof asked === 'string' ? asked : stateText(asked), health ? pc.green : pc.red],
      ['token', token === undefined ? (withheldText ?? 'none') : `${redactToken(token)} (${tokenSource})`],
      ['data folder', dataDir],
      ['on it', processes.length === 0 ? 'no server runs' : processes.map(processText).join('\n')],
    ]),
  )
  if (health) return
  process.exitCode = exitCodes.serverFailed
  if (processes.length === 0) out.note(pc.dim('Start one with: jetty serve'))
}

const stateText = ({ version, uptime_seconds: uptime }: Health): string =>
  `answers, ${version === undefined ? 'version unknown' : `version ${version}, up for ${duration(uptime)}`}`

const processText = ({ pid, role, url, since }: ServerNote): string =>
  `process ${pid}, ${role === 'worker' ? 'a worker' : safe(url ?? '')}, since ${moment(since)}`

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
