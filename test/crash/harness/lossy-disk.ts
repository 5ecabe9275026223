import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { until } from './storm.ts'

/** A file system of its own that can lose its power: what was not synced is gone then. */
export interface LossyDisk {
  folder: string
  /** Cuts the power, and ends these processes in the same moment. */
  cutPower(pids?: number[]): void
  /** Mounts what is left. */
  restore(): Promise<void>
  remove(): void
}

/**
 * Stops the processes first: a sync that the cut meets under way may say that it succeeded, but to nobody. Threads in state D
 * are in the kernel and stop before they return. Then `EXT4_IOC_SHUTDOWN`, `_IOR('X', 125, __u32)`: from here on nothing is
 * written. 2: not even the journal.
 */
const shutDown = `
  open(my $folder, '<', shift) or die "$!\\n";
  kill 'STOP', @ARGV;
  sub runs { open(my $file, '<', shift) or return 0; return (<$file> // '') =~ /\\) [RS] /; }
  select(undef, undef, undef, 0.001) while grep { runs($_) } map { glob "/proc/$_/task/*/stat" } @ARGV;
  my $flags = pack('I', 2);
  ioctl($folder, 0x8004587d, $flags) or die "shutdown of the file system: $!\\n";
  kill 'KILL', @ARGV;
`

const run = (program: string, ...args: (string | number)[]): string =>
  execFileSync(program, args.map(String), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** Makes an ext4 on a loop device. Needs root, `mkfs.ext4` and `perl`. */
export const makeLossyDisk = (megabytes = 2_000): LossyDisk => {
  const parent = mkdtempSync(join(tmpdir(), 'crash-disk-'))
  run('chmod', '711', parent) // the embedded Postgres may be another user
  const image = join(parent, 'image')
  const folder = join(parent, 'disk')
  mkdirSync(folder)
  writeFileSync(image, '')
  truncateSync(image, megabytes * 1024 * 1024)
  const mount = (): string => {
    const device = run('losetup', '-f', '--show', image).trim()
    try {
      run('mount', device, folder)
    } finally {
      run('losetup', '-d', device) // it goes with the file system
    }
    return basename(device)
  }
  let device: string
  try {
    run('mkfs.ext4', '-q', '-m', 0, image) // no room that only root may use
    device = mount()
  } catch (error) {
    rmSync(parent, { recursive: true })
    throw error
  }
  // Also clears up when this process is killed: its end of the pipe is closed then.
  const holder = spawn('sh', ['-c', 'cat; umount -l "$0"', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  holder.unref()
  ;(holder.stdin as unknown as { unref(): void }).unref()

  const isIdle = (): boolean => /^ *0 +0$/m.test(readFileSync(`/sys/block/${device}/inflight`, 'utf8'))

  return {
    folder,
    cutPower(pids = []) {
      run('perl', '-e', shutDown, folder, ...pids)
    },
    async restore() {
      await until('the end of all writes', isIdle)
      // Whoever has made a mount namespace meanwhile, as sandboxes do, keeps the file system that was shut down. So a copy.
      run('umount', '-l', folder)
      run('cp', '--sparse=always', image, `${image}-copy`)
      renameSync(`${image}-copy`, image)
      device = mount()
    },
    remove() {
      if (holder.pid !== undefined) process.kill(-holder.pid, 'SIGKILL')
      run('umount', '-l', folder)
      rmSync(parent, { recursive: true, force: true })
    },
  }
}

/** Why this machine cannot have one, or undefined: it can. Tries it. */
export const noLossyDisk = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'needs root'
  try {
    const disk = makeLossyDisk()
    disk.remove()
    return undefined
  } catch (error) {
    return `needs loop devices and ext4: ${String((error as { stderr?: string }).stderr || error).trim()}`
  }
}

/** Writes a file, and syncs it and its folder if told to. */
export const writeTo = (folder: string, name: string, isSynced: boolean): void => {
  const file = openSync(join(folder, name), 'w')
  writeFileSync(file, name)
  if (isSynced) fsyncSync(file)
  closeSync(file)
}
