import { lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { inside } from '../../../model/runbooks/sandbox.ts'

/** Host paths of what is mounted into a sandbox, as bubblewrap sees them. */
export interface MountSources {
  /** The run folder. */
  run: string
  /** Host folder `inside` with the platform's programs, and their file names. */
  tools: string
  toolNames: readonly string[]
  node: string
  agent: string | undefined
}

interface BubblewrapOptions {
  sources: MountSources
  env: Readonly<Record<string, string>>
  cwd: string
  hasGateway: boolean
  /** Size of `/tmp` and of shared memory, in bytes each. */
  temporaryBytes: number
}

/** Numeric user and group id of the command inside every sandbox. */
const insideId = 1000
const shmBytes = 64 * 1024 ** 2

/**
 * Where the platform's programs are mounted. Links beside Node lead there: bubblewrap reads the list of all mounts for each
 * of them, which is most of the CPU that it takes.
 */
const programs = `${inside.tools}/.programs`

/** Entries of `/etc` that programs read: certificates, but no private keys and no names of people or hosts. */
const etc = [
  'ssl/certs',
  'ssl/openssl.cnf',
  'pki/ca-trust',
  'pki/tls/certs',
  'ca-certificates',
  'crypto-policies',
  'alternatives',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'protocols',
  'services',
  'fonts',
  'magic',
  'java',
  'python3',
  'perl',
]

/** Files that replace entries of `/etc`; they stand in `etc` of the run folder. */
export const etcFiles: Readonly<Record<string, string>> = {
  passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:${insideId}:${insideId}:agent:${inside.home}:/bin/sh\n`,
  group: `root:x:0:\nagent:x:${insideId}:\n`,
  hosts: '127.0.0.1 localhost sandbox\n::1 localhost\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
}

/** Mounts `/bin`, `/lib` and so on: links into `/usr` on most systems, folders on some. */
const systemFolders = (): string[] =>
  ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap((name) => {
    const path = `/${name}`
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found?.isSymbolicLink()) return ['--symlink', readlinkSync(path), path]
    return found?.isDirectory() ? ['--ro-bind', path, path] : []
  })

/**
 * Builds the arguments of bubblewrap, which reads them from a descriptor so that no process list shows them. The
 * sandbox starts empty and sees only what is named here. It can write to `/app`, to the home folder, and to
 * memory-backed folders that vanish with it.
 */
export const bubblewrapArguments = ({ sources, env, cwd, hasGateway, temporaryBytes }: BubblewrapOptions): string[] => [
  ...['--unshare-user', '--unshare-all', '--disable-userns', '--die-with-parent', '--new-session', '--clearenv'],
  ...['--uid', String(insideId), '--gid', String(insideId), '--hostname', 'sandbox'],
  ...['--ro-bind', '/usr', '/usr', ...systemFolders()],
  ...etc.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
  ...Object.keys(etcFiles).flatMap((name) => ['--ro-bind', join(sources.run, 'etc', name), `/etc/${name}`]),
  ...['--proc', '/proc', '--dev', '/dev', '--size', String(shmBytes), '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
  ...[
    '--perms',
    '1777',
    '--size',
    String(temporaryBytes),
    '--tmpfs',
    '/tmp',
    '--dir',
    '/var',
    '--symlink',
    '/tmp',
    '/var/tmp',
  ],
  ...['--bind', join(sources.run, 'app'), inside.app, '--bind', join(sources.run, 'home'), inside.home],
  ...['--ro-bind', sources.tools, programs],
  ...sources.toolNames.flatMap((name) => ['--symlink', `${programs}/${name}`, `${inside.tools}/${name}`]),
  ...['--ro-bind', sources.node, `${inside.tools}/node`],
  ...(sources.agent === undefined ? [] : ['--ro-bind', sources.agent, inside.agent]),
  ...(hasGateway ? ['--ro-bind', join(sources.run, 'gateway'), inside.gateway] : []),
  ...['--remount-ro', '/', '--chdir', cwd],
  ...Object.entries(env).flatMap(([name, value]) => (isVariable(name, value) ? ['--setenv', name, value] : [])),
]

/**
 * Arguments are separated by NUL: a variable that contains one could smuggle in a further argument, such as a mount.
 */
const isVariable = (name: string, value: string): boolean => !name.includes('\0') && !value.includes('\0')
