import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { containerProvider } from '../../src/sandbox/isolation/containers/containers.ts'
import type { SandboxProvider } from '../../src/sandbox/isolation/sandbox.ts'
import { describeConformance } from '../sandboxes/conformance.ts'
import { livingWith, newId, runIn, runOnce, smallLimits, uniqueSeconds } from '../sandboxes/ground.ts'
import { type OwnPodman, startPodman } from './own-podman.ts'
import { type OwnRegistry, startRegistry } from './own-registry.ts'
import { startOwner } from './sandbox-owner.ts'

const log = createLogger({ level: 'error' })

let engine: OwnPodman
beforeAll(async () => {
  engine = await startPodman()
})
afterAll(async () => {
  await engine.stop()
})

const makeParent = () => mkdtempSync(join(tmpdir(), 'podman-runs-'))
const make = (parent: string, defaultImage = engine.image): SandboxProvider =>
  containerProvider({ ...{ name: 'podman', socket: engine.socket, parent, firstUid: 64_000, log }, defaultImage })

const containersLeft = async (): Promise<string[]> =>
  (await engine.podman('ps', '--all', '--format', '{{.Names}}')).split('\n').filter(Boolean)

describeConformance('podman', { make, makeParent })

test('nothing of all that is left', async () => {
  expect(await containersLeft()).toEqual([])
})

describe('what runs in a container of podman', () => {
  let provider: SandboxProvider
  beforeAll(() => {
    provider = make(makeParent())
  })

  test('is a user of its own, without a capability, whom nothing makes more', async () => {
    const sandboxes = await Promise.all([1, 2].map(() => provider.create({ id: newId(), limits: smallLimits })))
    try {
      const uids = sandboxes.map(({ folders }) => statSync(folders.app).uid)
      expect(new Set([...uids, 0]).size).toBe(3)
      for (const [index, sandbox] of sandboxes.entries()) {
        const { stdout } = await runIn(
          sandbox,
          'id -u; id -G; whoami; grep -E "CapEff|CapBnd|NoNewPrivs|Seccomp:" /proc/self/status',
        )
        const own = String(uids[index])
        expect(stdout.split(/\s+/)).toEqual(expect.arrayContaining([own, 'agent', 'CapBnd:', '0000000000000000']))
        expect(stdout).toMatch(/CapEff:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n/)
      }
    } finally {
      for (const sandbox of sandboxes) await sandbox.destroy()
    }
  })

  test('writes where it may, and nowhere in the system', async () => {
    const paths = [
      '/x',
      '/usr/x',
      '/etc/x',
      '/etc/passwd',
      '/opt/jetty/x',
      '/opt/jetty/node',
      '/run/command/x',
      '/proc/sys/kernel/hostname',
    ]
    const script = paths.map((path) => `( : >> ${path} ) 2> /dev/null && echo ${path}`).join('\n')
    const ran = await runOnce(
      provider,
      `${script}\nfor d in /app /home/agent /tmp /var/tmp; do : > $d/x || echo $d; done`,
    )
    expect(ran.stdout).toBe('')
  })

  test('has no network, and without a gateway no socket', async () => {
    const ran = await runOnce(
      provider,
      'tail -n +3 /proc/net/dev | cut -d: -f1; ls /run/jetty; curl -sS -m 2 http://169.254.169.254/',
    )
    expect(ran.stdout.trim()).toBe('lo')
    expect(ran.stderr).toContain("cannot access '/run/jetty'")
    expect(ran.code).toBe(7)
  })

  test('sees nothing of another sandbox, of this machine or of the engine', async () => {
    const other = await provider.create({ id: newId(), limits: smallLimits })
    try {
      await other.put('/app/secret', 'of the other')
      const script = `ls ${other.folders.app} ${engine.socket} /run/podman /var/run/docker.sock; ps -e 2>/dev/null | wc -l; ls /proc | grep -c "^[0-9]"`
      const ran = await runOnce(provider, script)
      expect(ran.stderr.match(/cannot access/g)).toHaveLength(4)
      expect(Number(ran.stdout.split('\n')[1])).toBeLessThan(8)
    } finally {
      await other.destroy()
    }
  })

  test('finds the programs of its image where the image says they are', async () => {
    const image = 'localhost/with-path:latest'
    const made = (await engine.podman('create', engine.image, 'sh')).trim()
    await engine.podman('commit', '--quiet', '--change', 'ENV PATH=/opt/venv/bin:/usr/bin:/bin', made, image)
    await engine.podman('rm', '--force', made)
    const sandbox = await provider.create({ id: newId(), image, limits: smallLimits })
    try {
      expect((await runIn(sandbox, 'echo $PATH')).stdout).toBe('/opt/venv/bin:/usr/bin:/bin:/opt/jetty\n')
    } finally {
      await sandbox.destroy()
    }
  })

  test('is refused what the kernel has no namespaces for, and new namespaces', async () => {
    const calls = { add_key: 248, keyctl: 250, ptrace: 101, bpf: 321, io_uring_setup: 425, unshare: 272, mount: 165 }
    const script = `
import ctypes, os, socket
c = ctypes.CDLL(None, use_errno=True)
for name, number in ${JSON.stringify(calls)}.items():
    print(name, c.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno())
pid = c.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0: os._exit(0)
print("clone", pid, ctypes.get_errno())
for family in (17, 38, 40):
    try: socket.socket(family, 3)
    except OSError as error: print("socket", error.errno)
socket.socket(socket.AF_UNIX)
print(os.fork() >= 0)`
    const { stdout, stderr } = await runOnce(provider, `python3 -c '${script}'`)
    const refused = [...Object.keys(calls), 'clone'].map((name) => `${name} -1 1`)
    expect(stdout.trim().split('\n'), stderr).toEqual(
      expect.arrayContaining([...refused, 'socket 97', 'socket 97', 'socket 97', 'True']),
    )
  })

  test('has its processor time measured out', async () => {
    const spin =
      'node -e "const end = Date.now() + 1000; while (Date.now() < end); const { user, system } = process.cpuUsage(); console.log(user + system)"'
    const { stdout } = await runOnce(provider, spin, { limits: { cpus: 0.25 } })
    expect(Number(stdout)).toBeLessThan(600_000)
  })

  test('has an agent that it cannot change', async () => {
    const agentFolder = mkdtempSync(join(tmpdir(), 'agent-'))
    chmodSync(agentFolder, 0o755)
    writeFileSync(join(agentFolder, 'agent.js'), 'console.log("works")')
    const sandbox = await provider.create({ id: newId(), limits: smallLimits, agentFolder })
    try {
      const ran = await runIn(sandbox, 'node /opt/agent/agent.js; echo bad > /opt/agent/agent.js')
      expect(ran).toMatchObject({ stdout: 'works\n', code: 2 })
    } finally {
      await sandbox.destroy()
    }
  })
})

describe('a process that is killed', () => {
  test('takes what runs in its containers with it, and the next one removes what is left, and nothing else', async () => {
    const parent = makeParent()
    const seconds = uniqueSeconds()
    const provider = make(parent)
    const alive = await provider.create({ id: newId(), limits: smallLimits })
    const owner = await startOwner({
      socket: engine.socket,
      image: engine.image,
      parent,
      script: `setsid sleep ${seconds}`,
    })
    try {
      expect(livingWith(seconds).length).toBeGreaterThan(0)
      await owner.kill()
      await expect.poll(() => livingWith(seconds), { timeout: 60_000 }).toEqual([])
      expect(readdirSync(parent)).toHaveLength(2)
      expect(await provider.reap()).toBe(1)
      expect(await containersLeft()).toEqual([])
      expect(await runIn(alive, 'echo still')).toMatchObject({ code: 0, stdout: 'still\n' })
      expect(await provider.reap()).toBe(0)
    } finally {
      await alive.destroy()
    }
    expect(readdirSync(parent)).toEqual([])
  })

  test('what belongs to another folder of sandboxes is left alone', async () => {
    const parent = makeParent()
    const owner = await startOwner({ socket: engine.socket, image: engine.image, parent, script: 'sleep 600' })
    expect(await make(makeParent()).reap()).toBe(0)
    expect(await containersLeft()).toHaveLength(1)
    await owner.kill()
    await expect.poll(() => make(parent).reap(), { timeout: 60_000 }).toBe(1)
  })
})

describe('images', () => {
  let registry: OwnRegistry
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'registry-'))
    await engine.podman('save', '--quiet', '--format', 'docker-dir', '--output', join(folder, 'image'), engine.image)
    registry = await startRegistry(join(folder, 'image'), 'tools')
  })
  afterAll(async () => {
    await registry.stop()
  })

  test('one that is elsewhere is fetched, which is told, and then is here', async () => {
    const image = `${registry.address}/tools:1`
    const provider = make(makeParent())
    expect(await provider.findImage?.(engine.image)).toEqual({ state: 'here' })
    expect(await provider.findImage?.(image)).toEqual({ state: 'elsewhere' })
    const told: string[] = []
    const sandbox = await provider.create({
      ...{ id: newId(), image, limits: smallLimits },
      onProgress: (line) => told.push(line),
    })
    expect(await runIn(sandbox, 'git --version')).toMatchObject({ code: 0 })
    await sandbox.destroy()
    expect(told.length).toBeGreaterThan(0)
    expect(told[0]).toContain(image)
    expect(await provider.findImage?.(image)).toEqual({ state: 'here' })
  })

  test('one that is nowhere is known beforehand to be, and is refused with what to do', async () => {
    const provider = make(makeParent())
    const image = `${registry.address}/none:1`
    expect(await provider.findImage?.(image)).toEqual({
      state: 'missing',
      why: expect.stringContaining('manifest unknown'),
    })
    await expect(provider.create({ id: newId(), image, limits: smallLimits })).rejects.toMatchObject({
      code: 'sandbox_unavailable',
      message: expect.stringContaining(image),
      hint: expect.stringContaining('podman load'),
    })
  })

  test('whoever waits for one can give up', async () => {
    const giveUp = new AbortController()
    registry.pause(() => giveUp.abort(new Error('enough')))
    const image = `${registry.address}/tools:2`
    await engine.podman('rmi', '--force', image).catch(() => {})
    const creating = make(makeParent()).create({ id: newId(), image, limits: smallLimits, signal: giveUp.signal })
    await expect(creating).rejects.toThrow('enough')
  })

  test('one in which our Node cannot run is refused with what it needs, and so is one without a shell', async () => {
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    writeFileSync(join(empty, 'file'), 'no shell')
    await promisify(execFile)('tar', ['-C', empty, '-cf', join(folder, 'empty.tar'), '.'])
    await engine.podman('import', '--quiet', join(folder, 'empty.tar'), 'localhost/empty:latest')
    const provider = make(makeParent(), 'localhost/empty:latest')
    const probe = await provider.probe()
    expect(probe).toMatchObject({ works: false, remedy: expect.stringContaining('/bin/sh') })
    await expect(provider.create({ id: newId(), limits: smallLimits })).rejects.toMatchObject({
      hint: expect.stringContaining('/bin/sh'),
    })
    expect(await containersLeft()).toEqual([])
  })

  test('where the usual one is not here yet, the engine works all the same, and says so', async () => {
    const probe = await make(makeParent(), `${registry.address}/none:1`).probe()
    expect(probe).toMatchObject({ works: true, found: expect.stringContaining('is not here yet'), tools: {} })
  })
})
