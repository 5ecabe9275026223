// deploy/compose.yaml with podman-compose: the server is the image under test; PostgreSQL and SeaweedFS are stand-ins, since
// the images that the file names come from a registry.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { needPackages } from './debian-packages.ts'
import { freePort } from './free-port.ts'
import { buildOptions, type OwnImage, untilHealthy } from './own-image.ts'
import { debianArchive } from './own-podman.ts'

const run = promisify(execFile)
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const standIns = ['localhost/stand-in-postgres', 'localhost/stand-in-seaweedfs'] as const

const buildStandIns = async ({ engine, name, folder }: OwnImage): Promise<void> => {
  const context = join(folder, 'stand-ins')
  cpSync(file('stand-ins'), context, { recursive: true })
  cpSync(file('../fakes'), join(context, 'fakes'), { recursive: true })
  await engine.podman('import', '--quiet', await debianArchive('postgres', 'postgresql'), 'localhost/debian-postgres')
  for (const [at, kind] of (['postgres', 'seaweedfs'] as const).entries()) {
    const from = ['--build-arg', `BASE=${name}`, '--file', join(context, `Containerfile.${kind}`)]
    await engine.podman('build', ...buildOptions, ...from, '--tag', standIns[at] ?? '', context)
  }
}

/** Runs health checks again and again, as systemd does for Podman elsewhere. */
const keepChecking = ({ engine }: OwnImage, containers: readonly string[]): (() => Promise<void>) => {
  let isOver = false
  const checking = Promise.all(
    containers.map(async (container) => {
      while (!isOver) {
        await engine.podman('healthcheck', 'run', container).catch(() => {})
        await new Promise((resolve) => setTimeout(resolve, 1_000))
      }
    }),
  )
  return async () => {
    isOver = true
    await checking
  }
}

/** Declares the tests of the file, which use an image that is made meanwhile. */
export const testComposeFile = (made: () => OwnImage): void => {
  let folder: string
  let port: number
  const compose = async (...argv: string[]): Promise<string> => {
    const { stdout, stderr } = await run('podman-compose', ['--podman-path', made().program, ...argv], { cwd: folder })
    return stdout + stderr
  }
  const inspect = (container: string, format: string) =>
    made()
      .engine.podman('inspect', '--format', format, container)
      .then((text) => text.trim())

  beforeAll(async () => {
    await needPackages('podman-compose')
    await buildStandIns(made())
    folder = mkdtempSync(join(made().folder, 'compose-'))
    cpSync(file('../../deploy/compose.yaml'), join(folder, 'compose.yaml'))
    port = await freePort()
  })
  afterAll(async () => {
    if (folder) await compose('down', '--volumes').catch(() => {})
  })

  it('refuses to start without secrets, and names the file', async () => {
    await expect(compose('up', '--detach')).rejects.toThrow(/is missing in \.env/)
  })

  it('starts PostgreSQL, the storage, its bucket and then the server', async () => {
    const secrets = 'POSTGRES_PASSWORD=0a1b2c\nS3_ACCESS_KEY=jetty\nS3_SECRET_KEY=3d4e5f\n'
    const images = `JETTY_IMAGE=${made().name}\nPOSTGRES_IMAGE=${standIns[0]}\nS3_IMAGE=${standIns[1]}\n`
    writeFileSync(join(folder, '.env'), `${secrets}${images}JETTY_PORT=${port}\n`)
    const stopChecking = keepChecking(made(), ['jetty_postgres_1', 'jetty_s3_1'])
    const started = performance.now()
    await compose('up', '--detach').finally(stopChecking)
    await untilHealthy(made().engine, 'jetty_jetty_1')
    console.log(`compose.yaml was up after ${Math.round(performance.now() - started)} ms`)
    expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(200)
    const restarts = await inspect('jetty_jetty_1', '{{.RestartCount}}')
    if (restarts !== '0') {
      const { stdout, stderr } = await run(made().program, ['logs', 'jetty_jetty_1'])
      console.log(`The server was started again ${restarts} times: ${stdout}${stderr}`)
    }
    const said = await made().engine.podman('logs', 'jetty_s3_1')
    expect(said).toContain('created bucket jetty')
  })

  it('keeps runs in PostgreSQL and files in the storage', async () => {
    const inside = (text: string) => compose('exec', '-T', 'jetty', 'bash', '-euc', text)
    await inside(`cd /tmp && echo 'A pier for boats' > note.txt
report=$(jetty run demo/summarize-file -f note.txt --wait | jq -r .path)
jetty files down "$report" -o report.txt && test -s report.txt`)
    expect(await inside('ls /data/jetty')).not.toMatch(/^(db|files)$/m)
    const sql = "select count(*) from pg_tables where tablename = 'steps'"
    const counted = await compose('exec', '-T', 'postgres', 'psql', '-U', 'jetty', '-Atc', sql)
    expect(counted).toMatch(/^1$/m)
  })

  it('drains when it is stopped, and goes on', async () => {
    await compose('stop', 'jetty')
    expect(await inspect('jetty_jetty_1', '{{.State.ExitCode}}')).toBe('0')
    await compose('start', 'jetty')
    await untilHealthy(made().engine, 'jetty_jetty_1')
    expect(await compose('exec', '-T', 'jetty', 'jetty', 'runs', 'ls', 'demo')).toContain('summarize-file')
  })
}
