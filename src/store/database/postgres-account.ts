import { spawnSync } from 'node:child_process'
import { existsSync, lchownSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'

/**
 * Account under which Postgres runs; Postgres refuses to run as root. `plain`: this process's user. `other-user`: an
 * unprivileged user, whenever this process is root. `user-namespace`: root for the host and nobody for Postgres, for
 * containers in which root may not change users.
 */
export type AccountKind = 'plain' | 'other-user' | 'user-namespace'

export interface PostgresAccount {
  kind: AccountKind
  /** Host user id of its processes; undefined on systems without user ids. */
  uid: number | undefined
  /** Command that runs a program under this account. */
  command(program: string, args: string[]): { file: string; args: string[]; ids: { uid?: number; gid?: number } }
  /** How to pass a folder of the account to a program: working directory and path argument. */
  inFolder(folder: string): { cwd: string; path: string }
  /** Gives Postgres access to files that this process has written. */
  own(path: string): void
}

/** Chooses the account by what the host allows; a cluster owned by an ordinary user keeps its owner. */
export const chooseAccount = (dataDir: string, wanted?: AccountKind): PostgresAccount => {
  if (wanted === 'plain' || process.getuid?.() !== 0) return plain()
  const ids = unprivilegedOwner(join(dataDir, 'db'))
  const problem = wanted === 'user-namespace' ? undefined : problemAs(ids, dataDir)
  if (wanted !== 'user-namespace' && !problem) return otherUser(ids)
  if (wanted !== 'other-user' && namespacesWork()) return userNamespace()
  throw new AppError(
    'invalid',
    `The embedded PostgreSQL cannot run as an unprivileged user: ${problem ?? 'unshare -U fails'}`,
    {
      hint:
        'PostgreSQL refuses to run as root. Run Jetty as an ordinary user, or give the container the capabilities ' +
        'CHOWN, SETUID, SETGID and DAC_OVERRIDE, or set DATABASE_URL.',
    },
  )
}

const plain = (): PostgresAccount => ({
  kind: 'plain',
  uid: process.getuid?.(),
  command: (file, args) => ({ file, args, ids: {} }),
  inFolder: (path) => ({ cwd: '/', path }),
  own() {},
})

interface Ids {
  uid: number
  gid: number
}

/**
 * On Linux this path reaches the working directory without traversing its parents, which may be closed to all but root.
 */
const workingFolder = '/proc/self/cwd'

const otherUser = (ids: Ids): PostgresAccount => ({
  kind: 'other-user',
  uid: ids.uid,
  command: (file, args) => ({ file, args, ids }),
  inFolder: (folder) => (existsSync(workingFolder) ? { cwd: folder, path: workingFolder } : { cwd: '/', path: folder }),
  own: (path) => giveTo(path, ids),
})

const userNamespace = (): PostgresAccount => ({
  kind: 'user-namespace',
  uid: 0,
  command: (program, args) => ({ file: 'unshare', args: ['-U', program, ...args], ids: {} }), // execs: the pid stays
  inFolder: (path) => ({ cwd: '/', path }),
  own: (path) => giveTo(path, { uid: 0, gid: 0 }),
})

const namespacesWork = (): boolean => spawnSync('unshare', ['-U', 'true'], { stdio: 'ignore' }).status === 0

const unprivilegedOwner = (cluster: string): Ids => {
  const found = statSync(cluster, { throwIfNoEntry: false })
  if (found && found.uid !== 0) return { uid: found.uid, gid: found.gid }
  return { uid: idOfNobody('-u'), gid: idOfNobody('-g') }
}

const idOfNobody = (flag: '-u' | '-g'): number =>
  Number(spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout?.trim() || 65_534)

/**
 * Says why root cannot give a folder to another user, look into it, and run a program as that user; undefined if it
 * can.
 */
const problemAs = (ids: Ids, dataDir: string): string | undefined => {
  const probe = mkdtempSync(join(existsSync(dataDir) ? dataDir : tmpdir(), '.account-'))
  try {
    lchownSync(probe, ids.uid, ids.gid)
    readdirSync(probe)
    const ran = spawnSync('id', ['-u'], { ...ids, cwd: probe, encoding: 'utf8' })
    return ran.stdout?.trim() === String(ids.uid) ? undefined : messageOf(ran.error ?? ran.stderr)
  } catch (error) {
    return messageOf(error)
  } finally {
    rmSync(probe, { recursive: true, force: true })
  }
}

/** Changes the owner of everything below a path that belongs to another user. */
const giveTo = (path: string, { uid, gid }: Ids): void => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found || found.uid === uid) return
  if (found.isDirectory())
    for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) lchownSync(join(path, name), uid, gid)
  lchownSync(path, uid, gid) // last, so that an interrupted change is repeated
}

/** Whether the account can run a program: another user may not be able to enter its folder. */
export const canRun = (account: PostgresAccount, program: string): boolean => {
  const { file, args, ids } = account.command(program, ['--version'])
  return spawnSync(file, args, { ...ids, cwd: '/', stdio: 'ignore' }).status === 0
}

const sharedCopies = '/var/lib/jetty-postgres'

/** Folder for a copy of the Postgres programs: the data folder, or a shared one when the account cannot enter it. */
export const copyFolderFor = (account: PostgresAccount, dataDir: string): string =>
  account.kind === 'other-user' && closedAncestor(join(dataDir, 'db')) ? sharedCopies : dataDir

/** Throws with advice when the account must traverse folders that are closed to it. */
export const checkReach = (account: PostgresAccount, dataDir: string): void => {
  const closed = closedAncestor(join(dataDir, 'db'))
  if (account.kind !== 'other-user' || account.inFolder(dataDir).path === workingFolder || !closed) return
  throw new AppError(
    'invalid',
    `The embedded PostgreSQL cannot reach the data folder ${dataDir}: it may not enter ${closed}`,
    {
      hint:
        'Under root PostgreSQL runs as an unprivileged user, and this system has no /proc. Run Jetty as an ordinary ' +
        'user, or set JETTY_DATA_DIR to a folder that every user may enter, or set DATABASE_URL.',
    },
  )
}

const closedAncestor = (path: string): string | undefined =>
  ancestorsOf(path).find((folder) => (statSync(folder).mode & 0o001) === 0)

const ancestorsOf = (path: string): string[] => {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestorsOf(parent), parent]
}
