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
  // Trajectory ids are the only thing drawn by the kilobyte: with a few different ones they clash all the time.
  const original = crypto.randomBytes as (size: number) => Buffer
  const draw = (size: number): Buffer => {
    if (size !== 1024) return original(size)
    const ids = Buffer.alloc(size)
    for (let at = 0; at < size; at += 4) ids.writeUInt32BE(crypto.randomInt(few), at)
    return ids
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
