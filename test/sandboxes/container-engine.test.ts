// What is said where Docker or Podman is not there, does not answer, or may not be spoken to; and how one is told from
// the other. What runs in containers is tried in test/wide.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { openShell, type Shell } from '../cli/shell.ts'
import { type FakeDocker, startFakeDocker } from '../fakes/docker-engine.ts'

let folder: string
let docker: FakeDocker
let shell: Shell
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'engines-'))
  docker = await startFakeDocker()
  shell = openShell('http://127.0.0.1:9', 'none')
})
afterAll(async () => {
  shell.close()
  await docker.stop()
  rmSync(folder, { recursive: true })
})

/** The row of `jetty doctor` about sandboxes. */
const doctor = async (env: Record<string, string>) => {
  const { stdout } = await shell.jetty(['doctor', '--json'], { env: { JETTY_DATA_DIR: join(folder, 'data'), ...env } })
  return JSON.parse(stdout).find(({ name }: { name: string }) => name === 'sandbox')
}

/** A socket that nobody listens on any more. */
const deadSocket = async (): Promise<string> => {
  const path = join(folder, 'dead.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  try {
    execFileSync(process.execPath, ['-e', script])
  } catch {
    // it has killed itself, so that its socket stays
  }
  return path
}

describe('jetty doctor', () => {
  it('names version, limits and image of an engine that answers', async () => {
    expect(await doctor({ JETTY_SANDBOX: 'docker', JETTY_SANDBOX_SOCKET: docker.socket })).toEqual({
      name: 'sandbox',
      state: 'ok',
      found:
        'Docker 27.3.1; memory cgroup v2, pids cgroup v2, cpu cgroup v2, disk watched; ' +
        'the image ghcr.io/astral-sh/uv:python3.12-bookworm is not here yet',
    })
  })

  it('warns of images from anywhere where others may reach the server', async () => {
    const shared = {
      JETTY_SANDBOX: 'docker',
      JETTY_SANDBOX_SOCKET: docker.socket,
      JETTY_HOST: '0.0.0.0',
      JETTY_PORT: '0',
    }
    expect(await doctor(shared)).toMatchObject({
      state: 'warning',
      found: expect.stringMatching(/^Docker .* images from any registry$/),
      remedy: expect.stringContaining('JETTY_SANDBOX_IMAGES'),
    })
    expect(await doctor({ ...shared, JETTY_SANDBOX_IMAGES: 'ghcr.io/acme/*' })).toMatchObject({ state: 'ok' })
  })

  it.skipIf(existsSync('/var/run/docker.sock') || existsSync('/run/podman/podman.sock')).each([
    ['docker', 'Install and start Docker'],
    ['podman', 'Install Podman and start its socket'],
  ])('says how %s is started where it listens nowhere', async (name, remedy) => {
    const nowhere = { XDG_RUNTIME_DIR: folder, HOME: folder, DOCKER_HOST: '', CONTAINER_HOST: '' }
    expect(await doctor({ JETTY_SANDBOX: name, ...nowhere })).toMatchObject({
      state: 'warning',
      found: expect.stringContaining(`${name} does not listen anywhere`),
      remedy: expect.stringContaining(remedy),
    })
  })

  it('says of a socket that is not there, or that nobody listens on, how the engine is started', async () => {
    for (const socket of [join(folder, 'none.sock'), await deadSocket()]) {
      expect(await doctor({ JETTY_SANDBOX: 'podman', JETTY_SANDBOX_SOCKET: socket })).toMatchObject({
        state: 'warning',
        found: expect.stringContaining(`Nothing answers at ${socket}`),
        remedy: expect.stringContaining('systemctl --user start podman.socket'),
      })
    }
  })

  it('takes no engine of another machine, whose folders would be others', async () => {
    expect(await doctor({ JETTY_SANDBOX: 'docker', DOCKER_HOST: 'tcp://10.0.0.1:2375' })).toMatchObject({
      state: 'warning',
      found: expect.stringContaining('DOCKER_HOST names an engine that is not on this machine'),
      remedy: expect.stringContaining('JETTY_SANDBOX_SOCKET'),
    })
  })

  it('does not take what is no engine for one', async () => {
    const path = join(folder, 'other.sock')
    const other = createServer((socket) => socket.end('220 mail.example ESMTP\r\n'))
    await new Promise<void>((resolve) => other.listen(path, resolve))
    const row = await doctor({ JETTY_SANDBOX: 'docker', JETTY_SANDBOX_SOCKET: path })
    other.close()
    expect(row).toMatchObject({ state: 'warning', found: expect.stringContaining(`Nothing answers at ${path}`) })
  })
})

test('a runbook on this machine is not begun where no engine answers, and what to do is said', async () => {
  const path = shell.file('R.md', '---\nagent: scripted\n---\n# R\n\n```sh\necho x > /app/results/a.txt\n```\n')
  const socket = join(folder, 'none.sock')
  const { code, stdout, stderr } = await shell.jetty(['runbook', 'run', path, '--local'], {
    env: { JETTY_DATA_DIR: join(folder, 'data'), JETTY_SANDBOX: 'podman', JETTY_SANDBOX_SOCKET: socket },
  })
  expect(code).toBe(2)
  expect(stdout + stderr).toMatch(/✗ sandbox\s+Nothing answers at .*none\.sock/)
  expect(stdout + stderr).toContain('systemctl --user start podman.socket')
})

test.runIf(process.getuid?.() === 0)('a user who may not open the socket is told who may', async () => {
  const own = join(folder, 'closed')
  mkdirSync(own)
  chmodSync(folder, 0o755)
  const path = join(own, 'docker.sock')
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(path, resolve))
  chmodSync(path, 0o600)
  chmodSync(own, 0o755)
  const program = join(folder, 'as-another.mjs')
  const source = new URL('../../dist.tests/sandbox/isolation/containers/containers.js', import.meta.url).href
  const options = { name: 'docker', socket: path, parent: join(folder, 'runs'), firstUid: 64_000, defaultImage: 'x:1' }
  writeFileSync(
    program,
    `const { containerProvider } = await import(${JSON.stringify(source)})
     process.setgroups([])
     process.setgid(65534)
     process.setuid(65534)
     console.log(JSON.stringify(await containerProvider(${JSON.stringify(options)}).probe()))`,
  )
  const probe = JSON.parse(execFileSync(process.execPath, [program], { encoding: 'utf8' }))
  closed.close()
  expect(probe).toMatchObject({
    works: false,
    found: expect.stringContaining('EACCES'),
    remedy: expect.stringMatching(/may not open .*usermod -aG docker/),
  })
})
