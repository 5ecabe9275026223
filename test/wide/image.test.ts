// The image as somebody gets it: made by `npm run image`, started read-only as an ordinary user, walked through, restarted.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { overTcp } from '../database-server.ts'
import { type ShellBlock, shellBlocksOf } from '../document-blocks.ts'
import { textOf } from '../house/source-files.ts'
import { testComposeFile } from './compose-file.ts'
import { freePort } from './free-port.ts'
import { makeImage, type OwnImage, untilHealthy } from './own-image.ts'
import type { OwnPodman } from './own-podman.ts'
import { testUnit } from './systemd-unit.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 1_200_000 })

let made: OwnImage
let engine: OwnPodman

beforeAll(async () => {
  made = await makeImage()
  engine = made.engine
})
afterAll(() => made?.stop())

/** A container of the image with the options that docs/containers.md names. */
const start = async (name: string, options: string[] = [], isOnHost = false): Promise<string> => {
  const port = await freePort()
  const hardened = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges']
  const network = isOnHost
    ? ['--network', 'host', '--env', `JETTY_PORT=${port}`, '--env', 'JETTY_HOST=127.0.0.1']
    : ['--publish', `127.0.0.1:${port}:7070`]
  const volume = ['--volume', `${name}:/data`]
  const started = performance.now()
  await engine.podman('run', '--detach', '--name', name, ...hardened, ...network, ...volume, ...options, made.name)
  await untilHealthy(engine, name)
  console.log(`${name} was healthy after ${Math.round(performance.now() - started)} ms`)
  return `http://127.0.0.1:${port}`
}

const exec = (name: string, ...argv: string[]): Promise<string> => engine.podman('exec', name, ...argv)
const shell = (name: string, text: string): Promise<string> => exec(name, 'bash', '-euc', text)

const stop = async (name: string): Promise<number> => {
  await engine.podman('stop', '--time', '60', name)
  return Number(await engine.podman('inspect', '--format', '{{.State.ExitCode}}', name))
}

/** Blocks of the tour that need neither a provider's key nor files of a clone, nor kill the server. */
const tour = (): ShellBlock[] =>
  shellBlocksOf(textOf('docs/tour.md')).filter(
    ({ text }) => !/OPENAI_API_KEY|kill -9|runbook run|README\.md|--threshold/.test(text),
  )

describe('a container of the image', () => {
  it('becomes healthy as an ordinary user over a read-only root, and writes to its volume alone', async () => {
    const url = await start('plain')
    expect((await fetch(`${url}/api/v1/health`)).status).toBe(200)
    expect((await exec('plain', 'id', '-u')).trim()).toBe('10001')
    expect(await shell('plain', 'grep -E "CapEff|CapBnd|NoNewPrivs" /proc/1/status')).toBe(
      'CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n',
    )
    await expect(shell('plain', 'touch /usr/local/changed')).rejects.toThrow(/Read-only file system/)
    expect((await exec('plain', 'cat', '/proc/1/comm')).trim()).toBe('catatonit')
    expect(await exec('plain', 'ls', '/data/jetty')).toContain('db')
  })

  it('walks the tour with the command inside', async () => {
    const blocks = tour()
    expect(blocks.length).toBeGreaterThan(9)
    const commands = blocks.map(({ text }) => text).join('\n')
    await shell('plain', `mkdir -p /tmp/tour && cd /tmp/tour\n${commands}`)
    expect(await exec('plain', 'jetty', 'runs', 'ls', 'demo')).toContain('test-echo')
  })

  it('says in one sentence that it has no sandbox, and refuses a runbook', async () => {
    const runbook = '# Try\n\n```sh\necho made > {{results_dir}}/made.txt\n```\n'
    const command = `cat > /tmp/RUNBOOK.md <<'END'\n${runbook}END\ncd /tmp && jetty runbook run RUNBOOK.md --agent scripted 2>&1`
    await expect(shell('plain', command)).rejects.toMatchObject({ stdout: expect.stringMatching(/sandbox/i) })
    expect(await shell('plain', 'jetty doctor 2>&1 || true')).toContain('unmask=ALL')
  })

  it('drains when it is stopped, and goes on with the same volume', async () => {
    expect(await stop('plain')).toBe(0)
    await engine.podman('rm', 'plain')
    await start('plain')
    expect(await exec('plain', 'jetty', 'runs', 'ls', 'demo')).toContain('test-echo')
    expect(await stop('plain')).toBe(0)
  })

  it('carries out runbooks where the engine lets it make sandboxes', async () => {
    const allowed = ['--security-opt', 'seccomp=unconfined', '--security-opt', 'unmask=ALL']
    await start('sandboxed', allowed)
    const runbook = '# Try\n\n```sh\nid -u > {{results_dir}}/made.txt\n```\n'
    const command = `cat > /tmp/RUNBOOK.md <<'END'\n${runbook}END\ncd /tmp && jetty runbook run RUNBOOK.md --agent scripted -c demo -t try 2>&1; cat results/made.txt`
    expect(await shell('sandboxed', command)).toMatch(/\d+\n$/)
    expect(await stop('sandboxed')).toBe(0)
  })

  describe('with DATABASE_URL', () => {
    let database: TestDatabase
    beforeAll(async () => {
      database = await createTestDatabase()
    })
    afterAll(() => database?.drop())

    it('has no database of its own', async () => {
      await start('outside', ['--env', `DATABASE_URL=${overTcp(database.url)}`], true)
      expect((await exec('outside', 'ls', '/data/jetty')).split('\n')).not.toContain('db')
      expect(await exec('outside', 'jetty', 'run', 'demo/hello', '-p', 'name=moon', '--wait')).toContain('moon')
      expect(await stop('outside')).toBe(0)
    })
  })
})

describe('deploy/compose.yaml', () => testComposeFile(() => made))

describe('deploy/jetty.service', () => testUnit(() => made))
