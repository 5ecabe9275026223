import { spawnSync } from 'node:child_process'
import { existsSync, lchownSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { AppError, messageOf } from '../lib/errors.ts'

/**
 * The user that Postgres runs as, because Postgres refuses to be root. `plain`: the user of this process.
 * `other-user`: an unprivileged one, whenever this process is root. `user-namespace`: root as the machine sees it and
 * nobody as Postgres sees it, for containers in which root may not change users.
 */
export type AccountKind = 'plain' | 'other-user' | 'user-namespace'

export interface PostgresAccount {
  kind: AccountKind
  /** The user id of its processes as the machine sees them; undefined where the system has no user ids. */
  uid: number | undefined
  /** The command that runs a program as this account. */
  command(program: string, args: string[]): { file: string; args: string[]; ids: { uid?: number; gid?: number } }
  /** How a program is told of a folder of the account: where it starts, and the path that it is given. */
  inFolder(folder: string): { cwd: string; path: string }
  /** Makes files that were written by this process usable by Postgres. */
  own(path: string): void
}

/** Chooses by what the machine allows; a cluster that an ordinary user owns already keeps its owner. */
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

/** Linux leads to the working folder by this name without passing the folders above it, which may be root's alone. */
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

/** Why root cannot give a folder to another user, look into it, and run a program as that user; undefined if it can. */
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

/** Changes the owner of everything below a path, when its owner is another one. */
const giveTo = (path: string, { uid, gid }: Ids): void => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found || found.uid === uid) return
  if (found.isDirectory())
    for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) lchownSync(join(path, name), uid, gid)
  lchownSync(path, uid, gid) // last, so that an interrupted change is done again
}

/** Whether the account can run a program: another user may not be able to enter the folder it stands in. */
export const canRun = (account: PostgresAccount, program: string): boolean => {
  const { file, args, ids } = account.command(program, ['--version'])
  return spawnSync(file, args, { ...ids, cwd: '/', stdio: 'ignore' }).status === 0
}

const sharedCopies = '/var/lib/jetty-postgres'

/** The folder for a copy of the Postgres programs: the data folder, or a shared one where the account cannot enter it. */
export const copyFolderFor = (account: PostgresAccount, dataDir: string): string =>
  account.kind === 'other-user' && closedAncestor(join(dataDir, 'db')) ? sharedCopies : dataDir

/** Explains what to do where the account has to pass folders that are closed to it. */
export const checkReach = (account: PostgresAccount, dataDir: string): void => {
  const closed = closedAncestor(join(dataDir, 'db'))
  if (account.kind !== 'other-user' || account.inFolder(dataDir).path === workingFolder || !closed) return
  throw new AppError(
    'invalid',
    `The embedded PostgreSQL cannot reach the data folder ${dataDir}: ${closed} is closed`,
    {
      hint:
        'Under root PostgreSQL runs as an unprivileged user, and this system has no /proc. Run Jetty as an ordinary ' +
        'user, or set JETTY_DATA_DIR to a folder that every user may pass through, or set DATABASE_URL.',
    },
  )
}

const closedAncestor = (path: string): string | undefined =>
  ancestorsOf(path).find((folder) => (statSync(folder).mode & 0o001) === 0)

const ancestorsOf = (path: string): string[] => {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestorsOf(parent), parent]
}
