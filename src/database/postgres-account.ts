import { spawnSync } from 'node:child_process'
import { chmodSync, lchownSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AppError } from '../lib/errors.ts'

/**
 * Who Postgres runs as, for it refuses to be root. `plain`: as this process. `user-namespace`: root seen from outside,
 * nobody seen by Postgres, so that everything root may reach is reached. `nobody`: really another user.
 */
export type AccountKind = 'plain' | 'user-namespace' | 'nobody'

export interface PostgresAccount {
  kind: AccountKind
  /** The command that runs a program as this account. */
  command(program: string, args: string[]): { file: string; args: string[]; ids: { uid?: number; gid?: number } }
  /** Makes files that were written by this process usable by Postgres. */
  own(path: string): void
}

export const chooseAccount = (wanted?: AccountKind): PostgresAccount => {
  const kind = wanted ?? (process.getuid?.() !== 0 ? 'plain' : namespacesWork() ? 'user-namespace' : 'nobody')
  return accounts[kind]()
}

const namespacesWork = (): boolean => spawnSync('unshare', ['-U', 'true'], { stdio: 'ignore' }).status === 0

const accounts: Record<AccountKind, () => PostgresAccount> = {
  plain: () => ({ kind: 'plain', command: (file, args) => ({ file, args, ids: {} }), own() {} }),
  'user-namespace': () => ({
    kind: 'user-namespace',
    command: (program, args) => ({ file: 'unshare', args: ['-U', program, ...args], ids: {} }), // execs: the pid stays
    own: (path) => giveTo(path, 0, 0),
  }),
  nobody: () => {
    const ids = { uid: idOfNobody('-u'), gid: idOfNobody('-g') }
    return {
      kind: 'nobody',
      command: (file, args) => ({ file, args, ids }),
      own: (path) => giveTo(path, ids.uid, ids.gid),
    }
  },
}

const idOfNobody = (flag: '-u' | '-g'): number =>
  Number(spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout?.trim() || 65_534)

/** Changes the owner of everything below a path, when its owner is another one. */
const giveTo = (path: string, uid: number, gid: number): void => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found || found.uid === uid) return
  if (found.isDirectory())
    for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) lchownSync(join(path, name), uid, gid)
  lchownSync(path, uid, gid) // last, so that an interrupted change is done again
}

/** Whether the account can run a program: `nobody` may not be able to enter the folder it stands in. */
export const canRun = (account: PostgresAccount, program: string): boolean => {
  const { file, args, ids } = account.command(program, ['--version'])
  return spawnSync(file, args, { ...ids, cwd: '/', stdio: 'ignore' }).status === 0
}

/** Lets `nobody` pass through the data folder, and explains what to do when a folder above it is closed to it. */
export const openDataFolder = (account: PostgresAccount, dataDir: string): void => {
  if (account.kind !== 'nobody') return
  chmodSync(dataDir, 0o711) // passing through only: what is inside stays closed
  const closed = ancestorsOf(dataDir).find((folder) => (statSync(folder).mode & 0o001) === 0)
  if (!closed) return
  throw new AppError(
    'invalid',
    `The embedded PostgreSQL cannot reach the data folder ${dataDir}: ${closed} is closed`,
    {
      hint:
        'Postgres refuses to run as root, and this machine does not let root make a user namespace, so it runs as ' +
        'the user nobody. Either run Jetty as an ordinary user, or put the data where nobody can pass ' +
        '(JETTY_DATA_DIR=/var/lib/jetty), or set DATABASE_URL.',
    },
  )
}

const ancestorsOf = (path: string): string[] => {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestorsOf(parent), parent]
}
