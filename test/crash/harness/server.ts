// A whole server with the activities of the crash tests: says where it is on one line, drains on SIGTERM.
import crypto from 'node:crypto'
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { builtinActivities } from '../../../src/activities/registry.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { loadSettings } from '../../../src/lib/settings/config.ts'
import { startServer } from '../../../src/server/start-server.ts'
import { crashActivities } from './activities.ts'
import { noteStandstills } from './standstills.ts'

const few = Number(process.env.CRASH_TRAJECTORY_IDS ?? 0)
if (few > 0) {
  // Ids are drawn by the kilobyte. With a few different trajectory ids, which are hexadecimal, those clash all the time; the
  // keys of runs do not.
  const original = crypto.randomBytes as (size: number) => Buffer
  const draw = (size: number): Buffer => {
    const bytes = original(size)
    if (size !== 1024) return bytes
    const asText = bytes.toString.bind(bytes)
    const clashing = () => crypto.randomInt(few).toString(16).padStart(8, '0')
    return Object.assign(bytes, {
      toString: (...[encoding, ...range]: Parameters<Buffer['toString']>) =>
        encoding === 'hex' ? clashing() : asText(encoding, ...range),
    })
  }
  Object.assign(crypto, { randomBytes: draw })
  syncBuiltinESMExports()
}

process.stdin.resume().once('close', () => process.exit(3)) // the test is gone
const stopped = new Promise<void>((resolve) => process.once('SIGTERM', () => resolve()))

const main = async (): Promise<never> => {
  const settings = loadSettings(process.env)
  if (settings.databaseUrl) noteStandstills(process.env.CRASH_FOLDER ?? '.')
  const clockFile = process.env.CRASH_CLOCK
  const beatMs = Number(process.env.CRASH_BEAT_MS ?? 0)
  const server = await startServer({
    settings,
    log: createLogger({ level: settings.logLevel }),
    ...(beatMs > 0 && { beatMs }),
    ...(clockFile && { clock: () => Number(readFileSync(clockFile, 'utf8')) }),
    activities: new Map([...builtinActivities, ...crashActivities.map((one) => [one.name, one] as const)]),
  })
  process.stdout.write(`${JSON.stringify({ url: server.url ?? '', postgres: server.postgres?.pid })}\n`)
  await stopped
  await server.close()
  return process.exit(0)
}

void main()
