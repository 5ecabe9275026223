import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { needPackages } from './debian-packages.ts'
import { type OwnPodman, startPodman } from './own-podman.ts'

const run = promisify(execFile)
const script = fileURLToPath(new URL('../../scripts/image.mjs', import.meta.url))

/** Options of `podman build`: health checks, and limits that need no right to raise them. */
export const buildOptions = ['--format', 'docker', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096']

/** The image that `npm run image` makes, in a Podman of its own. */
export interface OwnImage {
  engine: OwnPodman
  name: string
  /** A program that is this Podman. */
  program: string
  /** A folder for what the test writes. */
  folder: string
  stop(): Promise<void>
}

export const makeImage = async (): Promise<OwnImage> => {
  await needPackages('mmdebstrap')
  const engine = await startPodman()
  const folder = mkdtempSync(join(tmpdir(), 'jetty-image-test-'))
  const name = 'localhost/jetty-server:test'
  const stop = async () => {
    await engine.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const program = join(folder, 'podman')
    writeFileSync(program, engine.script)
    chmodSync(program, 0o755)
    const started = performance.now()
    const { stdout } = await run(process.execPath, [script, '--engine', program, '--tag', name], {
      maxBuffer: 64 * 1024 ** 2,
    })
    if (stdout.trim() !== name) throw new Error(`npm run image printed ${stdout}`)
    const bytes = Number(await engine.podman('image', 'inspect', '--format', '{{.Size}}', name))
    const seconds = Math.round((performance.now() - started) / 1000)
    console.log(`The image took ${seconds} s and has ${Math.round(bytes / 1e6)} MB`)
    return { engine, name, program, folder, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Runs the health check of a container until it succeeds. Podman itself leaves that to timers of systemd. */
export const untilHealthy = async ({ podman }: OwnPodman, container: string): Promise<void> => {
  for (let turn = 0; turn < 240; turn += 1) {
    const isHealthy = await podman('healthcheck', 'run', container).then(
      () => true,
      () => false,
    )
    if (isHealthy) return
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new Error(`${container} did not become healthy: ${await podman('logs', '--tail', '60', container)}`)
}
