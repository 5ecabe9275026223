import { lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { inside } from '../../model/runbooks/sandbox.ts'

/** Where what is mounted into a sandbox stands on this machine, as bubblewrap sees it. */
export interface MountSources {
  /** The run folder. */
  run: string
  /** The folder `inside`, and the names of its files. */
  tools: string
  toolNames: readonly string[]
  node: string
  agent: string | undefined
}

export interface BubblewrapOptions {
  sources: MountSources
  env: Readonly<Record<string, string>>
  cwd: string
  hasGateway: boolean
  /** Of `/tmp` and of shared memory, each in bytes. */
  temporaryBytes: number
}

/** Names inside, for the ids that everything has there. */
const insideId = 1000
const shmBytes = 64 * 1024 ** 2

/** What programs read of `/etc`. Certificates, but no private keys; no names of people or machines. */
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

/** Files of the platform's own in its place, in `etc` of the run folder. */
export const etcFiles: Readonly<Record<string, string>> = {
  passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:${insideId}:${insideId}:agent:${inside.home}:/bin/sh\n`,
  group: `root:x:0:\nagent:x:${insideId}:\n`,
  hosts: '127.0.0.1 localhost sandbox\n::1 localhost\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
}

/** `/bin`, `/lib` and so on: links into `/usr` on most systems, folders on some. */
const systemFolders = (): string[] =>
  ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap((name) => {
    const path = `/${name}`
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found?.isSymbolicLink()) return ['--symlink', readlinkSync(path), path]
    return found?.isDirectory() ? ['--ro-bind', path, path] : []
  })

/**
 * What bubblewrap is told, on a descriptor of its own: nothing of it is seen in a list of processes. Everything is new
 * and empty but for what is named here, and nothing of it can be written but `/app`, the home folder, and what is gone
 * with the sandbox.
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
  ...sources.toolNames.flatMap((name) => ['--ro-bind', join(sources.tools, name), `${inside.tools}/${name}`]),
  ...['--ro-bind', sources.node, `${inside.tools}/node`],
  ...(sources.agent === undefined ? [] : ['--ro-bind', sources.agent, inside.agent]),
  ...(hasGateway ? ['--ro-bind', join(sources.run, 'gateway'), inside.gateway] : []),
  ...['--remount-ro', '/', '--chdir', cwd],
  ...Object.entries(env).flatMap(([name, value]) => (isVariable(name, value) ? ['--setenv', name, value] : [])),
]

/** These words are told apart by NUL: what had one within would be further words, such as a mount. */
const isVariable = (name: string, value: string): boolean => !name.includes('\0') && !value.includes('\0')
