import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { needPackages } from './debian-packages.ts'

const run = promisify(execFile)

/** A Podman that listens for one test, and keeps nothing where another one would find it. */
export interface OwnPodman {
  socket: string
  /** A Debian with Python, git and jq; no registry has it. */
  image: string
  /** A program that is this Podman, for who starts it by itself. */
  script: string
  /** Runs `podman` over the same storage, and gives what it prints. */
  podman(...argv: string[]): Promise<string>
  /** Removes containers, images and storage. */
  stop(): Promise<void>
}

const packages = 'ca-certificates,git,curl,jq,python3-minimal,python3-venv'

/** The files of a small Debian as an archive: made once for each name, as long as `node_modules` stands. */
export const debianArchive = async (name: string, include: string): Promise<string> => {
  const folder = fileURLToPath(new URL('../../node_modules/.cache/jetty-images', import.meta.url))
  const archive = join(folder, `${name}.tar`)
  if (existsSync(archive)) return archive
  await needPackages('mmdebstrap')
  mkdirSync(folder, { recursive: true })
  const partial = join(folder, `${process.pid}.tar`)
  await run('mmdebstrap', [
    '--quiet',
    '--variant=minbase',
    '--aptopt=Acquire::Retries "5"',
    `--include=${include}`,
    'trixie',
    partial,
  ])
  renameSync(partial, archive)
  return archive
}

const untilListening = async (service: ChildProcess, socket: string): Promise<void> => {
  for (let turn = 0; turn < 1_200; turn += 1) {
    if (existsSync(socket)) return
    if (service.exitCode !== null) throw new Error(`podman system service ended with ${service.exitCode}`)
    await pause(50)
  }
  throw new Error('podman system service does not listen')
}

/** Needs root and Debian. Registries on this machine are spoken to without TLS. */
export const startPodman = async (): Promise<OwnPodman> => {
  await needPackages('podman', 'runc', 'catatonit', 'nftables', 'aardvark-dns')
  const folder = mkdtempSync(join(tmpdir(), 'podman-'))
  const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--tmpdir', join(folder, 'tmp')]
  const networks = ['--network-config-dir', join(folder, 'networks')]
  const global = [...storage, ...networks, '--runtime', 'runc', '--log-level', 'error']
  const registries = join(folder, 'registries.conf')
  writeFileSync(registries, '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n')
  const env = { ...process.env, CONTAINERS_REGISTRIES_CONF: registries, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' }
  const podman = async (...argv: string[]): Promise<string> =>
    (await run('podman', [...global, ...argv], { env, maxBuffer: 64 * 1024 ** 2 })).stdout
  const variables = Object.entries({ CONTAINERS_REGISTRIES_CONF: registries, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' })
  const exported = variables.map(([name, value]) => `export ${name}='${value}'`).join('\n')
  const script = `#!/bin/sh\n${exported}\nexec podman ${global.map((word) => `'${word}'`).join(' ')} "$@"\n`
  const image = 'localhost/jetty-test:latest'
  await podman('import', '--quiet', await debianArchive('trixie', packages), image)
  const socket = join(folder, 'podman.sock')
  const service = spawn('podman', [...global, 'system', 'service', '--time=0', `unix://${socket}`], {
    env,
    cwd: folder, // a container that runs out of memory leaves a file there
    stdio: 'ignore',
  })
  const ended = new Promise<void>((resolve) => service.once('exit', () => resolve()))
  await untilListening(service, socket)
  return {
    socket,
    image,
    script,
    podman,
    async stop() {
      await podman('rm', '--all', '--force', '--time=0')
      service.kill('SIGKILL')
      await ended
      // Podman may have mounted the folder of its layers onto itself.
      await run('umount', [join(folder, 'root/overlay')]).catch(() => {})
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 })
    },
  }
}
