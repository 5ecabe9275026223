import { loadSettings } from '../lib/config.ts'
import { createLogger } from '../lib/log.ts'
import { startServer } from '../main.ts'
import { startupLine, startupText } from './startup-text.ts'

/** `jetty serve`: starts the server, says where it is, and drains it at SIGINT or SIGTERM. */
export const serve = async (): Promise<void> => {
  const begun = performance.now() - process.uptime() * 1000
  const settings = loadSettings(process.env)
  const log = createLogger({ level: settings.logLevel })
  const signal = new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve(name))
  })
  const server = await startServer({ settings, log })
  const shown = { settings, server, seconds: (performance.now() - begun) / 1000 }
  process.stdout.write(`${process.stdout.isTTY ? startupText(shown) : startupLine(shown)}\n`)

  const name = await signal
  log.info({ signal: name }, 'draining: no new work, running steps may finish; press Ctrl-C again to stop at once')
  process.once('SIGINT', () => process.exit(130))
  await server.close()
  process.exit(0)
}
