import pc from 'picocolors'
import { AppError, messageOf } from '../../lib/errors.ts'
import { isExhausted } from '../../lib/exhaustion.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { createLogger, type Logger } from '../../lib/log.ts'
import { confinement } from '../../lib/processes/confinement.ts'
import { loadSettings, type Settings, settingList } from '../../lib/settings/config.ts'
import { unknownText, unknownVariables } from '../../lib/settings/unknown-variables.ts'
import { pause } from '../../lib/time.ts'
import { version } from '../../lib/version.ts'
import type { MachineCheck } from '../../server/local/machine-checks.ts'
import { type Server, startServer } from '../../server/start-server.ts'
import { exitCodes } from '../exit.ts'
import { safe } from '../show/output.ts'
import { noteServer } from './server-notes.ts'

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
const terminalLog = { write: (line: string): void => void process.stderr.write(terminalLogLine(line)) }

interface Started {
  settings: Settings
  server: Server
  seconds: number
  /** Result of the sandbox probe, if there was one. */
  sandbox?: MachineCheck
}

/** Custom base URLs of providers; only the host is shown, since a URL may hold a password. */
const baseUrls = (settings: Settings): string[] =>
  settingList
    .filter(({ variable }) => variable.endsWith('_BASE_URL'))
    .map(({ name, variable }) => [variable, settings[name]] as const)
    .filter(([, url]) => typeof url === 'string')
    .map(([variable, url]) => `${variable} at ${new URL(String(url)).host}`)

/** Sandbox of runbooks, or how to get one. */
const sandboxText = (settings: Settings, sandbox: MachineCheck | undefined): string => {
  if (!sandbox) return `${settings.sandbox} (\`jetty doctor\` tries it)`
  if (sandbox.state === 'ok') return sandbox.found
  return [pc.yellow(sandbox.found), `${' '.repeat(12)}→ ${sandbox.remedy}`].join('\n')
}

/** Summary of the started server for a person at a terminal, with a link that signs in. Shows only what exists. */
export const startupText = async ({ settings, server, seconds, sandbox }: Started): Promise<string> => {
  const { url, dataDir, demo } = server
  const signInUrl = await server.makeSignInUrl?.()
  const rows: [string, string][] = []
  if (url && server.hasPages) {
    const signIn = signInUrl ? 'signs in once, for ten minutes' : '`jetty sign-in` prints a link that signs in'
    rows.push(['Pages', `${signInUrl ?? url} (${signIn})`])
  }
  if (url) {
    rows.push(['API', `${url}/api/v1`], ['Docs', `${url}/docs`])
    rows.push(['Gateway', `${url}/v1 for OpenAI clients, ${url} for Anthropic's`])
  }
  const elsewhere = baseUrls(settings)
  if (elsewhere.length > 0) rows.push(['Models', elsewhere.join(', ')])
  if (server.metricsUrl) rows.push(['Metrics', `${server.metricsUrl}/metrics (no token)`])
  rows.push(['Database', server.postgres ? `${dataDir}/db (embedded)` : 'DATABASE_URL'], ['Files', `${dataDir}/files`])
  if (settings.role !== 'api') rows.push(['Steps', `${settings.workerConcurrency} at once`])
  if (settings.role !== 'api') rows.push(['Sandbox', sandboxText(settings, sandbox)])
  rows.push(['Admin', settings.adminToken ? 'JETTY_ADMIN_TOKEN' : `${dataDir}/admin-token`])
  if (server.trialKeys.length > 0) rows.push(['Trials', `lend ${server.trialKeys.join(', ')}`])
  if (demo) rows.push(['Token', `${demo.tokenPath} (${demo.shownToken}; for the collection demo)`])
  if (demo && url) rows.push(['Try', '`jetty run demo/hello -p name=moon --wait`'])
  const lines = rows.map(([name, value]) => `  ${pc.dim(name.padEnd(9))} ${value}`)
  const warning =
    settings.host === '127.0.0.1' || settings.host === 'localhost' || !url
      ? []
      : ['', `  ${pc.yellow('Reachable from other machines.')} Put a proxy with TLS in front of it.`]
  return [
    '',
    `  ${pc.bold('jetty')} ${version}`,
    '',
    ...lines,
    ...warning,
    '',
    `  ready in ${seconds.toFixed(1)} s · Ctrl-C drains running steps`,
    '',
  ].join('\n')
}

/** Summary as one JSON line, for programs that read stdout. It goes into logs, so it has no link that signs in. */
const startupLine = ({ settings, server, seconds }: Started): string =>
  JSON.stringify({
    event: 'ready',
    version,
    role: settings.role,
    url: server.url ?? null,
    metrics_url: server.metricsUrl ?? null,
    data_dir: server.dataDir,
    database: server.postgres ? 'embedded' : 'DATABASE_URL',
    sandbox: settings.role === 'api' ? null : settings.sandbox,
    trial_keys: server.trialKeys,
    token_path: server.demo?.tokenPath ?? null,
    demo_run: server.demo?.tryUrl ?? null,
    sign_in: server.hasPages ? 'jetty sign-in prints a link that signs a browser in' : null,
    pid: process.pid,
    seconds: Math.round(seconds * 1000) / 1000,
  })

/** Reports at the server's start whether runbooks can run here, not only with the first runbook. */

/** Probes a sandbox; undefined for a server that runs no steps. */
const lookAtSandbox = async (settings: Settings, signal?: AbortSignal): Promise<MachineCheck | undefined> => {
  if (settings.role === 'api') return undefined
  const { checkSandbox } = await import('../../server/local/machine-checks.ts')
  return checkSandbox(settings, signal)
}

const warnOfConfinement = async (log: Logger): Promise<void> => {
  const { kind, found, remedy } = await confinement()
  if (kind === 'bubblewrap') return
  log.warn({ confined: found, remedy }, 'processes that read what tenants write are not fully confined')
}

/**
 * A look starts 25 programs, which take 150 ms of a processor. In the first seconds a server has runs to resume and
 * requests that waited for it, or is stopped again.
 */
const laterMs = 10_000

/** Probes a sandbox a little later and logs the result in one line. `stop` ends a probe under way. */
export const lookLater = (settings: Settings, log: Logger, probe = lookAtSandbox): { stop(): Promise<void> } => {
  const stop = new AbortController()
  let looking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    const [sandbox] = await Promise.all([probe(settings, stop.signal), warnOfConfinement(log)])
    if (!sandbox || stop.signal.aborted) return
    const { state, found, remedy } = sandbox
    if (state === 'ok') log.info({ sandbox: found }, 'runbooks can run in this sandbox')
    else log.warn({ sandbox: found, remedy }, 'no sandbox for runbooks is available')
  }
  const timer = setTimeout(() => {
    looking = look().catch((error) => log.warn({ sandbox: messageOf(error) }, 'the sandbox could not be checked'))
  }, laterMs)
  timer.unref()
  return {
    async stop() {
      clearTimeout(timer)
      stop.abort()
      await looking
    },
  }
}

/** Stream errors and resource exhaustion, after which the process state is intact. */
const isHarmless = (error: unknown): boolean =>
  isExhausted(error) || ['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException | null)?.code ?? '')

/**
 * Decides about uncaught errors instead of Node, which would end the process. After a rejected promise the process
 * continues, since its state is intact. After an exception its state is unknown: it exits, and the next start continues
 * the runs.
 */
const catchTheRest = (log: Logger): void => {
  process.on('unhandledRejection', (reason) => {
    log.error({ err: reason }, 'a bug: a rejected promise was not handled; the server continues. Please report it')
  })
  process.on('uncaughtException', (error) => {
    if (isHarmless(error)) return log.error({ err: error }, 'an error was not handled; the server continues')
    log.fatal({ err: error }, 'a bug: an exception was not caught; the server ends with exit code 70. Please report it')
    process.exit(70)
  })
}

/**
 * One Ctrl-C under `npm start` arrives twice: the terminal signals the whole process group, and npm forwards its own
 * copy. A SIGINT within this time after the first belongs to the same key press.
 */
const sameKeyPressMs = 1_000

/** Resolves with the first SIGINT or SIGTERM. Calls `stopAtOnce` at a SIGINT more than a second later. */
const firstStopSignal = (stopAtOnce: () => void): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let firstAt: number | undefined
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => {
        if (firstAt === undefined) {
          firstAt = performance.now()
          resolve(name)
        } else if (name === 'SIGINT' && performance.now() - firstAt > sameKeyPressMs) stopAtOnce()
      })
    }
  })

/** `jetty serve`: starts the server, prints its addresses, and drains it at SIGINT or SIGTERM. */
export const serve = async (env: NodeJS.ProcessEnv): Promise<void> => {
  const begun = performance.now() - process.uptime() * 1000
  const settings = loadSettings(env)
  const log = createLogger({ level: settings.logLevel, ...(process.stderr.isTTY && { destination: terminalLog }) })
  for (const unknown of unknownVariables(env)) log.warn(unknownText(unknown))
  catchTheRest(log)
  const signal = firstStopSignal(() => process.exit(exitCodes.interrupted))
  const looking = process.stdout.isTTY ? lookAtSandbox(settings) : undefined
  const server = await startServer({ settings, log }).catch(async (error) => {
    throw await aboutPort(error, settings)
  })
  const note = noteHere(server, settings, log)
  const seconds = (performance.now() - begun) / 1000
  const sandbox = looking && (await Promise.race([looking, pause(longestLookMs).then(() => undefined)]))
  const shown = { settings, server, seconds, ...(sandbox && { sandbox }) }
  process.stdout.write(`${process.stdout.isTTY ? await startupText(shown) : startupLine(shown)}\n`)
  const later = looking ? undefined : lookLater(settings, log)

  void server.lost?.then((error) => {
    log.fatal({ hint: error.hint }, error.message)
    process.exit(exitCodes.failed) // no drain: it would hand over the runs of the other server
  })
  const tell = makeStopLines(settings, log)
  tell.draining(await signal)
  await Promise.all([server.close(), later?.stop()])
  note?.remove()
  tell.stopped()
  process.exit(0)
}

/** Writes the note by which the command line finds the server; one that cannot, on a full disk, serves all the same. */
const noteHere = ({ dataDir, url, publicUrl }: Server, { role }: Settings, log: Logger) => {
  try {
    return noteServer(dataDir, { url: url ?? null, publicUrl, role, version })
  } catch (error) {
    log.warn({ err: error }, 'commands will not find this server: its address cannot be written to the data folder')
    return undefined
  }
}

/** Messages while stopping: plain text in a terminal, else JSON log lines. */
const makeStopLines = ({ drainSeconds }: Settings, log: Logger) => {
  const again = 'press Ctrl-C again to stop at once'
  if (process.stderr.isTTY) {
    const print = (text: string) => process.stderr.write(`\n  ${text}\n`)
    return {
      draining: () => print(`Stopping: running steps get up to ${drainSeconds} s to finish; ${again}`),
      stopped: () => print('Stopped. Unfinished runs continue at the next start.'),
    }
  }
  return {
    draining: (signal: NodeJS.Signals) =>
      log.info({ signal }, `draining: no new work, running steps may finish; ${again}`),
    stopped: () => log.info('stopped'),
  }
}

/** Maximum wait of a ready server for the sandbox probe, before it reports without the probe. */
const longestLookMs = 2_000

/** Timeout for asking whether the process on the port is a Jetty server: a busy one is slow, others never answer. */
const longestAskMs = 3_000

/** Explains a port in use: mostly a server that already runs. Returns other errors unchanged. */
const aboutPort = async (error: unknown, { host, port }: Settings): Promise<unknown> => {
  const { cause } = error as { cause?: NodeJS.ErrnoException }
  if (cause?.code !== 'EADDRINUSE') return error
  const url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`
  const answer = await fetch(`${url}/api/v1/health`, { signal: AbortSignal.timeout(longestAskMs) })
    .then((response) => response.json())
    .catch(() => undefined)
  if (!isObject(answer) || typeof answer.uptime_seconds !== 'number') return error
  return new AppError('conflict', `A Jetty server is already running at ${url}`, {
    hint: 'Use that server, or start a second one with: jetty serve --port 8080 --data-dir ~/.jetty-8080',
    cause: error,
  })
}
