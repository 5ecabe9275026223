import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, lstatSync, readlinkSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'

/** How processes that read what strangers have written are kept from the rest of the machine. */
interface Confinement {
  /** `bubblewrap`: they see nothing but their own program. `node`: Node refuses files and programs, not connections. */
  kind: 'bubblewrap' | 'node'
  found: string
  /** How to get the stronger one. */
  remedy: string | undefined
  /** The command that runs a program with options of Node. */
  command(program: string, options: readonly string[]): { file: string; args: string[] }
}

/** Folders and files that a program loads its code from. */
const codeOf = (program: string): string[] => {
  let root = dirname(program)
  while (!existsSync(join(root, 'package.json')) && dirname(root) !== root) root = dirname(root)
  const [folder = ''] = relative(root, program).split(sep)
  const packages: string[] = []
  for (let above = root; dirname(above) !== above; above = dirname(above)) packages.push(join(above, 'node_modules'))
  return [join(root, folder), join(root, 'package.json'), ...packages].filter((path) => existsSync(path))
}

/** Libraries of the system that Node is linked with: links into `/usr` on most systems, folders on some. */
const systemLibraries = (): string[] => {
  const folders = ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/usr/share/nodejs', '/etc/ld.so.cache']
  const links = ['lib', 'lib64', 'libx32'].flatMap((name) => {
    const found = lstatSync(`/${name}`, { throwIfNoEntry: false })
    if (found?.isSymbolicLink()) return ['--symlink', readlinkSync(`/${name}`), `/${name}`]
    return found ? ['--ro-bind', `/${name}`, `/${name}`] : []
  })
  return [...folders.flatMap((path) => ['--ro-bind-try', path, path]), ...links]
}

const nodeInside = '/node'

/** Without network, other processes, files of the machine, and anything to write. TypeScript is compiled in memory. */
const inBubblewrap = (bwrap: string, program: string, options: readonly string[]) => {
  const isSource = program.endsWith('.ts')
  const code = isSource
    ? [dirname(codeOf(program).find((path) => path.endsWith('package.json')) ?? program)]
    : codeOf(program)
  return {
    file: bwrap,
    args: [
      ...[
        '--unshare-user-try',
        '--unshare-ipc',
        '--unshare-pid',
        '--unshare-net',
        '--unshare-uts',
        '--unshare-cgroup-try',
      ],
      ...['--die-with-parent', '--cap-drop', 'ALL'],
      ...systemLibraries(),
      ...['--ro-bind', process.execPath, nodeInside],
      ...code.flatMap((path) => ['--ro-bind', path, path]),
      ...(isSource ? ['--tmpfs', '/tmp'] : []),
      ...['--remount-ro', '/', '--chdir', '/', nodeInside, ...options, program],
    ],
  }
}

const permission = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

const inNode = (program: string, options: readonly string[]) => {
  const allowed = codeOf(program).map((path) => `--allow-fs-read=${path}${path.endsWith('.json') ? '' : `${sep}*`}`)
  const limits = program.endsWith('.ts') ? [] : [permission, ...allowed] // TypeScript is compiled by another program
  return { file: process.execPath, args: [...options, ...limits, program] }
}

const byNode = (reason: string, remedy: string | undefined): Confinement => ({
  kind: 'node',
  found: `by Node alone: no files and no programs, but connections (${reason})`,
  remedy,
  command: inNode,
})

const install = 'Install bubblewrap: `apt install bubblewrap` (Debian, Ubuntu), `dnf install bubblewrap` (Fedora).'
const allow = 'Let this user make namespaces: see "Sandboxes do not start" in docs/sandboxes.md.'

const findBubblewrap = (): string | undefined =>
  ['/usr/bin', '/usr/local/bin', ...(process.env.PATH ?? '').split(':')]
    .map((folder) => join(folder, 'bwrap'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return path.startsWith('/')
      } catch {
        return false
      }
    })

/** Whether a program ends well. */
const endsWell = (file: string, args: string[]): Promise<boolean> =>
  new Promise((resolve) => {
    const child = spawn(file, args, { env: {}, stdio: 'ignore', timeout: 10_000, killSignal: 'SIGKILL' })
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
  })

/** Looks what this machine allows, with bubblewrap at a path. */
export const lookForConfinement = async (bwrap = findBubblewrap()): Promise<Confinement> => {
  if (process.platform !== 'linux') return byNode('there is nothing else on this system', undefined)
  if (bwrap === undefined) return byNode('bubblewrap is not installed', install)
  // The memory of a process in a namespace of its own is found through the children of its parent.
  if (!existsSync(`/proc/self/task/${process.pid}/children`)) return byNode('/proc lists no children', undefined)
  const { args } = inBubblewrap(bwrap, process.execPath, [])
  const works = await endsWell(bwrap, [...args.slice(0, -1), '--version'])
  if (!works) return byNode('bubblewrap may not make namespaces here', allow)
  return {
    kind: 'bubblewrap',
    found: 'by bubblewrap: no files, no network, no other processes',
    remedy: undefined,
    command: (program, options) => inBubblewrap(bwrap, program, options),
  }
}

let looking: Promise<Confinement> | undefined

/** How this machine confines processes; found out with the first call, which takes as long as starting one. */
export const confinement = (): Promise<Confinement> => {
  looking ??= lookForConfinement()
  return looking
}
