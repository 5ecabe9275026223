import { AppError, messageOf } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { createLogger } from '../../lib/log.ts'
import { loadSettings, type Settings } from '../../lib/settings/config.ts'
import { pause } from '../../lib/time.ts'
import { startServer } from '../../main.ts'
import { lookAtSandbox, lookLater } from './look-at-sandbox.ts'
import { startupLine, startupText } from './startup-text.ts'

/** `jetty serve`: starts the server, says where it is, and drains it at SIGINT or SIGTERM. */
export const serve = async (): Promise<void> => {
  const begun = performance.now() - process.uptime() * 1000
  const settings = loadSettings(process.env)
  const log = createLogger({ level: settings.logLevel })
  const signal = new Promise<NodeJS.Signals>((resolve) => {
    // Not once: a supervisor may say it twice, and the second one would end the process and leave Postgres behind.
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => resolve(name))
  })
  const looking = process.stdout.isTTY ? lookAtSandbox(settings) : undefined
  const server = await startServer({ settings, log }).catch(async (error) => {
    const problem = await aboutPort(error, settings)
    throw settings.databaseUrl ? aboutDatabase(problem) : problem
  })
  const seconds = (performance.now() - begun) / 1000
  const sandbox = looking && (await Promise.race([looking, pause(longestLookMs).then(() => undefined)]))
  const shown = { settings, server, seconds, ...(sandbox && { sandbox }) }
  process.stdout.write(`${process.stdout.isTTY ? startupText(shown) : startupLine(shown)}\n`)
  const later = looking ? undefined : lookLater(settings, log)

  const name = await signal
  log.info({ signal: name }, 'draining: no new work, running steps may finish; press Ctrl-C again to stop at once')
  process.once('SIGINT', () => process.exit(130))
  await Promise.all([server.close(), later?.stop()])
  process.exit(0)
}

/** How long a server that is ready waits before it says so without having seen its sandbox. */
const longestLookMs = 2_000

/** How long whoever has the port is asked whether it is a server: a busy one takes its time, and others never answer. */
const longestAskMs = 3_000

/** That a server runs already is why most second ones do not start; any other error as it is. */
const aboutPort = async (error: unknown, { host, port }: Settings): Promise<unknown> => {
  const { cause } = error as { cause?: NodeJS.ErrnoException }
  if (cause?.code !== 'EADDRINUSE') return error
  const url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`
  const answer = await fetch(`${url}/api/v1/health`, { signal: AbortSignal.timeout(longestAskMs) })
    .then((response) => response.json())
    .catch(() => undefined)
  if (!isObject(answer) || typeof answer.uptime_seconds !== 'number') return error
  return new AppError('conflict', `A Jetty server is running already at ${url}`, {
    hint: 'Use that one, or start a second one beside it: JETTY_PORT=8080 JETTY_DATA_DIR=~/.jetty-8080',
    cause: error,
  })
}

/** What Postgres, or the way to it, has against a DATABASE_URL; any other error as it is. */
const aboutDatabase = (error: unknown): unknown => {
  const away = error instanceof AppError && error.code === 'database_unavailable'
  const cause = away ? error.cause : error
  if (!away && !(cause instanceof Error && 'severity' in cause)) return error
  const code = (cause as { code?: string }).code
  const reason = [messageOf(cause), code].filter(Boolean).join(', ')
  return new AppError('database_unavailable', `The database cannot be used: ${reason}`, {
    hint: 'Check address, name and password in DATABASE_URL, or leave it unset to use the embedded PostgreSQL.',
    cause,
  })
}
