/** The checks of `jetty doctor`: what a server needs of this machine, each with a remedy. */
import { constants, existsSync } from 'node:fs'
import { access, mkdtemp, rm, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { checkAddress } from '../../http/listen-address.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { createLogger } from '../../lib/log.ts'
import { confinement } from '../../lib/processes/confinement.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { loadSettings, type Settings } from '../../lib/settings/config.ts'
import type { BucketLocation } from '../../lib/settings/storage-location.ts'
import { unknownText, unknownVariables } from '../../lib/settings/unknown-variables.ts'
import { sandboxKinds } from '../../model/runbooks/sandbox.ts'
import { readLentKeys } from '../../providers/lent-keys.ts'
import { openDatabase } from '../../store/database/database.ts'
import { chooseAccount } from '../../store/database/postgres-account.ts'
import { findPackage } from '../../store/database/postgres-binaries.ts'
import { findPostgres } from '../../store/database/postgres-process.ts'
import { checkBucket } from '../../store/objects/s3/s3-objects.ts'
import { openBucket } from '../object-store.ts'

export interface MachineCheck {
  name: string
  state: 'ok' | 'warning' | 'failed'
  found: string
  /** The remedy; missing if the state is `ok`. */
  remedy?: string
}

const oldestNode = [20, 19] as const
const lowSpaceBytes = 2 * 1024 ** 3
const noSpaceBytes = 200 * 1024 ** 2

const ok = (name: string, found: string): MachineCheck => ({ name, state: 'ok', found })
const failed = (name: string, error: unknown, remedy: string): MachineCheck => ({
  name,
  state: 'failed',
  found: messageOf(error),
  remedy: (error instanceof AppError && error.hint) || remedy,
})

const nodeCheck = (): MachineCheck => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isOld = major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])
  return isOld
    ? failed('node', `Node ${process.versions.node}`, `Install Node ${oldestNode.join('.')} or newer.`)
    : ok('node', `Node ${process.versions.node}`)
}

const nearestFolder = async (path: string): Promise<string> =>
  (await stat(path).catch(() => undefined)) ? path : nearestFolder(dirname(path))

const folderCheck = async (dataDir: string): Promise<MachineCheck> => {
  const name = 'data folder'
  const found = await nearestFolder(dataDir)
  try {
    await access(found, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch {
    return failed(name, `${found} cannot be written`, 'Set JETTY_DATA_DIR to a folder that this user may write.')
  }
  if (found !== dataDir) return ok(name, `${dataDir} (made at the first start)`)
  const open = (await stat(dataDir)).mode & 0o077
  return open === 0
    ? ok(name, dataDir)
    : {
        name,
        state: 'warning',
        found: `${dataDir} can be entered by other users of this machine`,
        remedy: `chmod 700 ${dataDir}`,
      }
}

const spaceCheck = async (dataDir: string): Promise<MachineCheck> => {
  const { bavail, bsize } = await statfs(await nearestFolder(dataDir))
  const free = bavail * bsize
  const found = `${byteSize(free)} free`
  const remedy = 'Free some space, or set JETTY_DATA_DIR to a folder on a larger disk.'
  if (free < noSpaceBytes) return failed('disk', found, remedy)
  return free < lowSpaceBytes ? { name: 'disk', state: 'warning', found, remedy } : ok('disk', found)
}

const embeddedCheck = (dataDir: string): MachineCheck => {
  try {
    const { version } = findPackage()
    chooseAccount(dataDir)
    const running = findPostgres(dataDir)
    return ok('postgres', `embedded ${version}${running ? `, running (pid ${running.pid})` : ', not running'}`)
  } catch (error) {
    return failed('postgres', error, 'Set DATABASE_URL to a PostgreSQL 15 to 18.')
  }
}

const databaseCheck = async (url: string): Promise<MachineCheck> => {
  const database = openDatabase(url, { connections: 1 })
  try {
    const [row] = await database.query<{ version: string; number: string; size: string }>(
      `select current_setting('server_version') as version, current_setting('server_version_num') as number,
         pg_database_size(current_database()) as size`,
    )
    const major = Math.floor(Number(row?.number) / 10_000)
    const found = `PostgreSQL ${row?.version} at DATABASE_URL, ${byteSize(Number(row?.size))}`
    return major >= 15 ? ok('postgres', found) : failed('postgres', found, 'Use PostgreSQL 15 to 18.')
  } catch (error) {
    const cause = error instanceof AppError && error.cause ? error.cause : error
    return failed('postgres', cause, 'Check address, name and password in DATABASE_URL.')
  } finally {
    await database.close().catch(() => {})
  }
}

const storageCheck = async (
  location: BucketLocation,
  settings: Settings,
  variables: NodeJS.ProcessEnv,
): Promise<MachineCheck> => {
  const name = 'storage'
  try {
    const client = openBucket(location, { settings, variables })
    await checkBucket(client)
    return ok(name, `${client.where}: an object was written, read and removed`)
  } catch (error) {
    return failed(name, error, 'Correct JETTY_STORAGE and its credentials.')
  }
}

const portCheck = async ({ host, port }: Settings, servedPorts: readonly number[]): Promise<MachineCheck> => {
  if (servedPorts.includes(port)) return ok('port', `${host}:${port}, where a server answers`)
  try {
    await checkAddress(host, port)
    return ok('port', `${host}:${port} is free`)
  } catch (error) {
    return failed('port', error, 'Choose another one with JETTY_PORT.')
  }
}

const isOfThisMachine = (host: string): boolean => host === 'localhost' || /^(127\.|::1$)/.test(host)

/**
 * Creates a sandbox as a runbook would, and destroys it. Without a working sandbox the state is `warning`, since only
 * runbooks need one. Leaves nothing behind: if the folder for sandboxes does not exist yet, it uses a temporary one.
 */
export const checkSandbox = async (settings: Settings, signal?: AbortSignal): Promise<MachineCheck> => {
  const name = 'sandbox'
  const folder = settings.sandboxDir ?? join(settings.dataDir, 'sandboxes')
  const elsewhere = existsSync(folder) ? undefined : await mkdtemp(join(tmpdir(), 'jetty-sandbox-'))
  try {
    const { makeSandboxProvider } = await import('../../sandbox/isolation/make-provider.ts')
    const provider = await makeSandboxProvider({
      settings: { ...settings, sandboxDir: elsewhere ?? folder },
      dataDir: settings.dataDir,
      log: createLogger({ level: 'fatal' }),
    })
    const { works, found, remedy } = await provider.probe(signal)
    if (!works) {
      return {
        name,
        state: 'warning',
        found: `none, so runbooks are refused: ${found}`,
        remedy: remedy ?? 'Set JETTY_SANDBOX to one that works here.',
      }
    }
    if (provider.findImage && !isOfThisMachine(settings.host) && settings.sandboxImages.includes('*')) {
      return {
        name,
        state: 'warning',
        found: `${found}; everybody who may start runbooks can make the engine fetch images from any registry`,
        remedy: 'Set JETTY_SANDBOX_IMAGES to the images that you want, such as ghcr.io/acme/*, or to none.',
      }
    }
    if (sandboxKinds[provider.name].isolates) return ok(name, found)
    const better = 'Set JETTY_SANDBOX=bubblewrap, docker or podman, unless this machine has nothing else.'
    return { name, state: 'warning', found, remedy: better }
  } catch (error) {
    return { ...failed(name, error, 'Set JETTY_SANDBOX to one that works here.'), state: 'warning' }
  } finally {
    if (elsewhere !== undefined) await rm(elsewhere, { recursive: true, force: true })
  }
}

/** How processes are confined that read expressions, documents and data files of tenants. */
const processesCheck = async (): Promise<MachineCheck> => {
  const name = 'processes'
  const { kind, found, remedy = 'Run Jetty on Linux with bubblewrap.' } = await confinement()
  return kind === 'bubblewrap'
    ? ok(name, `confined ${found}`)
    : { name, state: 'warning', found: `confined ${found}`, remedy }
}

const settingsCheck = (env: NodeJS.ProcessEnv): MachineCheck | Settings => {
  try {
    const settings = loadSettings(env)
    readLentKeys(settings.trialKeys, (name) => env[name])
    return settings
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return failed('settings', error, 'Correct the variables; `jetty serve --settings` lists all of them.')
  }
}

/** Warns about unknown variables that begin with `JETTY_`; another program may read them, so that is no failure. */
const variablesCheck = (env: NodeJS.ProcessEnv): MachineCheck => {
  const [first, ...others] = unknownVariables(env)
  if (!first) return ok('settings', 'nothing to object to')
  return {
    name: 'settings',
    state: 'warning',
    found: [first, ...others].map(({ name }) => name).join(', '),
    remedy: [first, ...others].map(unknownText).join(' '),
  }
}

/** Checks everything that a server needs here, and changes nothing. `servedPorts` are ports of Jetty servers that run. */
export const checkMachine = async (env: NodeJS.ProcessEnv, servedPorts: readonly number[]): Promise<MachineCheck[]> => {
  const settings = settingsCheck(env)
  if ('state' in settings) return [nodeCheck(), settings]
  const { dataDir, databaseUrl } = settings
  return [
    nodeCheck(),
    variablesCheck(env),
    await folderCheck(dataDir),
    await spaceCheck(dataDir),
    databaseUrl ? await databaseCheck(databaseUrl) : embeddedCheck(dataDir),
    ...(settings.storage.kind === 's3' ? [await storageCheck(settings.storage, settings, env)] : []),
    await portCheck(settings, servedPorts),
    await processesCheck(),
    ...(settings.role === 'api' ? [] : [await checkSandbox(settings)]),
  ]
}
