import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LimitMechanisms, Sandbox, SandboxProbe, SandboxProvider } from '../../src/sandbox/isolation/sandbox.ts'
import { livingWith, newId, runIn, runOnce, smallLimits, uniqueSeconds } from './ground.ts'
import { hiddenFiles } from './hidden-files.ts'

export interface Conforming {
  /** Makes a provider whose run folders stand in a folder. */
  make(parent: string): Promise<SandboxProvider> | SandboxProvider
  /** A new folder, such as one of the test run. */
  makeParent(): string
  /** The image that sandboxes are made of, where they are. */
  image?: string
}

/** What every kind of sandbox does, whatever it isolates by. */
export const describeConformance = (name: string, { make, makeParent }: Conforming): void => {
  describe(`a sandbox of ${name}`, { timeout: 150_000 }, () => {
    let provider: SandboxProvider
    let parent: string
    let probe: SandboxProbe
    let mechanisms: LimitMechanisms
    beforeAll(async () => {
      parent = makeParent()
      provider = await make(parent)
      probe = await provider.probe()
      if (!probe.works) throw new Error(`${name} cannot be tried here: ${probe.found}. ${probe.remedy}`)
      mechanisms = probe.mechanisms
    })
    afterAll(() => {
      expect(existsSync(parent) ? readdirSync(parent) : []).toEqual([])
    })

    it('works here, and says by what its limits are kept', () => {
      expect(probe).toMatchObject({ works: true, mechanisms: { memory: expect.any(String), disk: expect.any(String) } })
      expect(probe.tools.node).toBeDefined()
      expect(probe.remedy).toBeUndefined()
    })

    it('has what was put into it, and what was written in it is found outside', async () => {
      const sandbox = await provider.create({ id: newId(), limits: smallLimits })
      try {
        await sandbox.put('/app/RUNBOOK.md', 'do it')
        await sandbox.put('/app/assets/a/b.txt', from('one ', 'two'))
        await sandbox.put('/home/agent/.config/tool', 'x', 0o700)
        const { app, home, results } = sandbox.places
        const script = `cat RUNBOOK.md assets/a/b.txt; test -x ${home}/.config/tool && echo ok > ${results}/out; pwd`
        const ran = await runIn(sandbox, script)
        expect(ran).toMatchObject({ reason: 'exit', code: 0, signal: null, stdout: `do itone two${app}\n`, stderr: '' })
        expect(readFileSync(join(sandbox.folders.app, 'results/out'), 'utf8')).toBe('ok\n')
        expect(await runIn(sandbox, `cat ${results}/out`)).toMatchObject({ code: 0, stdout: 'ok\n' })
      } finally {
        await sandbox.destroy()
      }
    })

    it('takes nothing at a path outside of its folders, nor once something has run in it', async () => {
      const sandbox = await provider.create({ id: newId(), limits: smallLimits })
      try {
        for (const path of ['/etc/passwd', '/app/../etc/x', '/appendix/x', '/app', 'app/x', '/app/a\0b']) {
          await expect(sandbox.put(path, 'x')).rejects.toThrow(/nothing can be put/)
        }
        await runIn(sandbox, 'true')
        await expect(sandbox.put('/app/late', 'x')).rejects.toThrow(/nothing can be put/)
      } finally {
        await sandbox.destroy()
      }
    })

    it('gives exit codes, signals, and both outputs apart', async () => {
      expect(await runOnce(provider, 'echo out; echo err >&2; exit 7')).toMatchObject({
        ...{ reason: 'exit', code: 7, signal: null, stdout: 'out\n', stderr: 'err\n' },
      })
      expect(await runOnce(provider, 'kill -SEGV $$')).toMatchObject({ reason: 'exit', code: 139, signal: 'SIGSEGV' })
      expect(await runOnce(provider, 'no-such-command')).toMatchObject({ reason: 'exit', code: 127 })
    })

    it('has real pipes: outputs and input can be opened by their names', async () => {
      const ran = await runOnce(provider, 'cat /dev/stdin > /dev/stdout; echo e > /dev/stderr', { stdin: 'given' })
      expect(ran).toMatchObject({ code: 0, stdout: 'given', stderr: 'e\n' })
      expect(await runOnce(provider, 'cat; echo end')).toMatchObject({ code: 0, stdout: 'end\n' })
    })

    it('has the environment that it is given and nothing of the server, and no list of processes shows it', async () => {
      process.env.OF_THE_SERVER = 'server-secret-5417'
      const found: number[] = []
      const ran = await runOnce(provider, 'env; sleep 0.2', {
        env: { GIVEN: 'given-secret-9163' },
        onOutput: () => void found.push(...livingWith('given-secret-9163')),
      })
      delete process.env.OF_THE_SERVER
      expect(ran.code).toBe(0)
      expect(found).toEqual([])
      const seen = await runOnce(provider, 'env; cat /proc/self/environ', { env: { GIVEN: 'given-secret-9163' } })
      expect(seen.stdout).toContain('GIVEN=given-secret-9163')
      expect(seen.stdout).not.toContain('server-secret-5417')
    })

    it('inherits no descriptor of the server', async () => {
      const { stdout } = await runOnce(provider, 'for d in /proc/self/fd/*; do basename $d; done')
      expect(stdout.split('\n').filter((name) => Number(name) > 3)).toEqual([])
    })

    it('is held back while what it prints is not taken', async () => {
      const sandbox = await provider.create({ id: newId(), limits: smallLimits })
      let early: string | undefined
      let bytes = 0
      try {
        const ran = await runIn(sandbox, 'head -c 2000000 /dev/zero; touch done', {
          async onOutput(_stream, chunk) {
            bytes += chunk.length
            early ??= (await runIn(sandbox, 'test -e done; echo $?')).stdout
          },
        })
        expect(ran.reason).toBe('exit')
      } finally {
        await sandbox.destroy()
      }
      expect(early).toBe('1\n')
      expect(bytes).toBe(2_000_000)
    })

    it('ends one that prints without an end, and hands on no more than the limit', async () => {
      let bytes = 0
      const ran = await runOnce(provider, 'yes', {
        onOutput: (_stream, chunk) => {
          bytes += chunk.length
        },
      })
      expect(ran.reason).toBe('output_limit')
      expect(bytes).toBe(smallLimits.outputBytes)
    })

    it('fails with what the one who takes its output fails with', async () => {
      const taking = runOnce(provider, 'yes', {
        onOutput: () => {
          throw new Error('cannot take it')
        },
      })
      await expect(taking).rejects.toThrow('cannot take it')
    })

    it('ends when its time is over, deaf to signals or not, with everything that it has started', async () => {
      const seconds = uniqueSeconds()
      const script = `trap "" TERM INT HUP; setsid sleep ${seconds} & nohup sleep ${seconds} & sleep ${seconds}`
      const ran = await runOnce(provider, script, { wallMs: 500 })
      expect(ran).toMatchObject({ reason: 'timed_out' })
      expect(ran.durationMs).toBeGreaterThanOrEqual(499)
      expect(livingWith(seconds)).toEqual([])
    })

    it('leaves nothing running when it ends by itself', async () => {
      const seconds = uniqueSeconds()
      const script = `setsid sleep ${seconds} > /dev/null & (nohup setsid sleep ${seconds} &) ; exit 0`
      expect(await runOnce(provider, script)).toMatchObject({ reason: 'exit', code: 0 })
      expect(livingWith(seconds)).toEqual([])
    })

    it('leaves nothing running that becomes another program over and over, nor waits for it', async () => {
      const seconds = uniqueSeconds()
      const again = `printf '#!/bin/sh\\nexec "$0" "$1"\\n' > again; chmod +x again`
      const script = `${again}; for i in 1 2 3; do setsid ./again ${seconds} & done; sleep 0.05; exit 0`
      expect(await runOnce(provider, script)).toMatchObject({ reason: 'exit', code: 0 })
      expect(livingWith(seconds)).toEqual([])
    })

    it('asks to end when it is cancelled, and waits for it', async () => {
      const cancelling = new AbortController()
      const script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
      let text = ''
      const ran = await runOnce(provider, script, {
        signal: cancelling.signal,
        onOutput(stream, chunk) {
          if (stream === 'stdout') text += chunk // some shells say on the other one that their `sleep` was ended too
          if (text.includes('ready')) cancelling.abort()
        },
      })
      expect(ran).toMatchObject({ reason: 'cancelled', code: 5 })
      expect(text).toBe('ready\nbye\n')
    })

    it('kills what does not end when it is cancelled, three seconds later', async () => {
      const seconds = uniqueSeconds()
      const cancelling = new AbortController()
      const ran = await runOnce(provider, `trap "" TERM; echo ready; while :; do sleep ${seconds}; done`, {
        signal: cancelling.signal,
        onOutput: () => cancelling.abort(),
      })
      expect(ran.reason).toBe('cancelled')
      expect(livingWith(seconds)).toEqual([])
    })

    it('does not begin what was cancelled before', async () => {
      const sandbox = await provider.create({ id: newId(), limits: smallLimits })
      try {
        for (let turn = 0; turn < 3; turn++) {
          const before = new AbortController()
          if (turn === 0) before.abort()
          const running = runIn(sandbox, ': > begun', { signal: before.signal })
          if (turn > 0) before.abort() // while its launch is prepared
          expect((await running).reason).toBe('cancelled')
        }
        expect(await runIn(sandbox, 'test -e begun')).toMatchObject({ reason: 'exit', code: 1 })
      } finally {
        await sandbox.destroy()
      }
    })

    it('names it when memory ran out, and measures what was used', async () => {
      const ran = await runOnce(provider, `node -e '${hog}'`)
      expect(ran.reason).toBe('out_of_memory')
      expect(ran.code).not.toBe(0)
      expect(ran.peakMemoryBytes).toBeGreaterThan(smallLimits.memoryBytes * 0.8)
    })

    it('lets one go on that has survived a child which ran out of memory', async () => {
      const ran = await runOnce(provider, `node -e '${hog}'; echo went on; exit 0`)
      // Whoever watches from outside ends all of it.
      if (mechanisms.memory === 'watched') return expect(ran.reason).toBe('out_of_memory')
      expect(ran).toMatchObject({ reason: 'exit', code: 0, stdout: 'went on\n' })
    })

    it('bounds a fork bomb, and counts what was refused', async ({ skip }) => {
      skip(mechanisms.pids === undefined, 'nothing here bounds processes')
      const seconds = uniqueSeconds()
      // The first shell ends with what it is refused; the other one stays, without a process more, until that was seen.
      const fork = `n=0; while [ $n -lt 300 ]; do sleep ${seconds} & n=$((n+1)); done`
      const script = `(${fork}); n=0; while [ $n -lt 150000 ]; do n=$((n+1)); done; exit 9`
      const ran = await runOnce(provider, script)
      expect(ran.reason).toBe('exit')
      expect(ran.code).not.toBe(0)
      expect(ran.refusedProcesses).toBeGreaterThan(0)
      expect(livingWith(seconds)).toEqual([])
    })

    it('outlives a real fork bomb', async ({ skip }) => {
      skip(mechanisms.pids === undefined, 'nothing here bounds processes')
      const ran = await runOnce(provider, 'f() { f | f & }; f; sleep 0.3; exit 3', { wallMs: 5_000 })
      expect(['exit', 'timed_out']).toContain(ran.reason)
      // Where only looking tells, it may be over between two looks.
      if (mechanisms.pids !== 'rlimit') expect(ran.refusedProcesses).toBeGreaterThan(0)
    })

    it.each([
      ['one large file', 'cat /dev/zero > big; sleep 600'],
      ['many files', 'for n in 1 2 3 4 5 6 7 8 9; do head -c 8000000 /dev/zero > $n; done; sleep 600'],
      [
        'files that have no name any more',
        'exec 5> x 6> y; rm x y; head -c 20000000 /dev/zero >&5; head -c 20000000 /dev/zero >&6; sleep 600',
      ],
      ...hiddenFiles,
      ['the home folder', 'cd; for n in 1 2 3 4 5 6; do head -c 8000000 /dev/zero > $n; done; sleep 600'],
      ['too many files', 'n=0; while :; do mkdir d$n; for f in $(seq 99); do : > d$n/$f; done; n=$((n+1)); done'],
      ['more than it may, and then success', 'for n in 1 2 3 4 5 6; do head -c 8000000 /dev/zero > $n; done; exit 0'],
    ] as const)('stops what fills the disk: %s', async (_what, script) => {
      const ran = await runOnce(provider, script)
      expect(ran.reason).toBe('disk_full')
      expect(ran.durationMs).toBeLessThan(60_000)
    })

    it('counts a sparse file as what it takes, and one that would be larger than the disk not at all', async () => {
      expect(await runOnce(provider, 'truncate -s 30M sparse; ls -l sparse | wc -l')).toMatchObject({
        reason: 'exit',
        stdout: '1\n',
      })
      expect(await runOnce(provider, 'truncate -s 5T sparse')).toMatchObject({
        reason: 'exit',
        code: expect.any(Number),
      })
    })

    it('counts what has several names once', async () => {
      const script = 'head -c 10000000 /dev/zero > a; for n in 1 2 3 4 5 6 7; do ln a b$n; done; exit 0'
      expect(await runOnce(provider, script)).toMatchObject({ reason: 'exit', code: 0 })
    })

    it('reaches the gateway over the bridge', async () => {
      await withGateway(provider, parent, async (sandbox) => {
        const ran = await runIn(sandbox, askGateway, {
          network: 'gateway',
          env: { URL_OF_IT: 'http://127.0.0.1:3128' },
        })
        expect(ran).toMatchObject({ code: 0, stdout: 'GET /hello\n' })
        expect(await runIn(sandbox, 'exit 6', { network: 'gateway' })).toMatchObject({ reason: 'exit', code: 6 })
      })
    })

    it('is gone at once when it is destroyed, in the middle of a command, and once for all', async () => {
      const seconds = uniqueSeconds()
      const sandbox = await provider.create({ id: newId(), limits: smallLimits })
      let destroyed: Promise<void> | undefined
      let text = ''
      const ran = await runIn(
        sandbox,
        `trap "echo asked to end" TERM; mkdir -p a; chmod 0 a; echo up; while :; do sleep ${seconds}; done`,
        {
          onOutput: (stream, chunk) => {
            if (stream === 'stdout') text += chunk
            destroyed ??= sandbox.destroy()
          },
        },
      )
      await destroyed
      await sandbox.destroy()
      expect(ran.reason).toBe('cancelled')
      expect(text).toBe('up\n') // whoever is asked is waited for
      expect(livingWith(seconds)).toEqual([])
      await expect(runIn(sandbox, 'true')).rejects.toMatchObject({ code: 'sandbox_unavailable' })
    })

    it('is one of several at once, none of which hinders the others', async () => {
      const ran = await Promise.all(
        Array.from({ length: 5 }, (_, n) => runOnce(provider, `echo ${n} > mine; sleep 0.2; cat mine`)),
      )
      expect(ran.map(({ stdout }) => stdout)).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n'])
    })

    it('has a name of its own', async () => {
      const id = newId()
      const first = await provider.create({ id, limits: smallLimits })
      await expect(provider.create({ id, limits: smallLimits })).rejects.toMatchObject({ code: 'conflict' })
      await first.destroy()
      await (await provider.create({ id, limits: smallLimits })).destroy()
    })
  })
}

const hog = 'const all = []; for (;;) all.push(Buffer.alloc(16777216, 1))'

const askGateway = `node -e '
  require("http").get(process.env.URL_OF_IT + "/hello", (answer) => answer.pipe(process.stdout))
'`

async function* from(...parts: string[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

/** A sandbox in whose gateway folder something listens that says what it was asked. */
export const withGateway = async (
  provider: SandboxProvider,
  parent: string,
  work: (sandbox: Sandbox) => Promise<void>,
): Promise<void> => {
  mkdirSync(parent, { recursive: true })
  const sandbox = await provider.create({ id: newId(), limits: smallLimits })
  const server = createServer((request, response) => response.end(`${request.method} ${request.url}\n`))
  try {
    const socket = join(sandbox.folders.gateway, 'gateway.sock')
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    await sandbox.own(socket)
    await work(sandbox)
  } finally {
    server.closeAllConnections()
    server.close()
    await sandbox.destroy()
  }
}
