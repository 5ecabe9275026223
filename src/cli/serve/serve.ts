import { AppError } from '../../lib/errors.ts'
import { isExhausted } from '../../lib/exhaustion.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { createLogger, type Logger } from '../../lib/log.ts'
import { loadSettings, type Settings } from '../../lib/settings/config.ts'
import { unknownText, unknownVariables } from '../../lib/settings/unknown-variables.ts'
import { pause } from '../../lib/time.ts'
import { version } from '../../lib/version.ts'
import { type Server, startServer } from '../../server/start-server.ts'
import { exitCodes } from '../exit.ts'
import { lookAtSandbox, lookLater } from './look-at-sandbox.ts'
import { noteServer } from './server-notes.ts'
import { startupLine, startupText } from './startup-text.ts'
import { terminalLog } from './terminal-log.ts'

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
